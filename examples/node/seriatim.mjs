// Seriatim from Node: what docs/protocol.md says, with Temporal's own client.
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  WithStartWorkflowOperation,
  WorkflowExecutionAlreadyStartedError,
  WorkflowFailedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
} from '@temporalio/client';

/** A request that was understood and turned down: refusal is {type, code, name, message, …}. */
export class Refused extends Error {
  constructor(refusal) {
    super(refusal.message);
    this.refusal = refusal;
  }
}

// For tokens of up to 200 bytes, which a workflow id holds as they are.
const serializerId = (token) => `token:${token}`;
const operationId = (id) => `operation:${id}`;

export class Seriatim {
  constructor(client, taskQueue = 'operations') {
    this.client = client;
    this.taskQueue = taskQueue;
  }

  /** Submits operations of one token, in their order. Each has an id of the caller's, its key for a repeat. */
  async submit(token, ...operations) {
    await this.client.workflow.signalWithStart('Serializer', {
      workflowId: serializerId(token),
      taskQueue: this.taskQueue,
      args: [{ token }],
      signal: 'submit',
      signalArgs: [operations],
    });
  }

  /** Submits an operation without a token. False where one with this id is there already. */
  async submitAlone(operation) {
    try {
      await this.client.workflow.start('Operation', {
        workflowId: operationId(operation.id),
        taskQueue: this.taskQueue,
        args: [operation],
        workflowIdReusePolicy: 'REJECT_DUPLICATE',
        workflowIdConflictPolicy: 'FAIL',
      });
      return true;
    } catch (error) {
      if (error instanceof WorkflowExecutionAlreadyStartedError) return false;
      throw error;
    }
  }

  /** The token: head, counts, what was refused. */
  state(token) {
    return this.client.workflow.getHandle(serializerId(token)).query('state');
  }

  /** A part of what queues behind the head, in order, without data. */
  list(token, offset = 0, limit = 100) {
    return this.client.workflow.getHandle(serializerId(token)).query('list', { offset, limit });
  }

  /** The operation's record, from its own workflow or else from its token's queue; undefined where nothing is known of it. */
  async find(id, token) {
    let ahead;
    try {
      const record = await this.client.workflow.getHandle(operationId(id)).query('operation');
      if (!record.gated) return record;
      ahead = record; // it was started before its turn: its token knows its place
      token = record.dependencyToken;
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
    }
    if (token === undefined) return undefined;
    const found = await this.client.workflow.getHandle(serializerId(token)).query('find', { operationId: id });
    if (found.reject && !found.found && !found.seen) throw new Refused({ ...found.reject, message: found.reject.reason });
    if (ahead === undefined) return found.record;
    const { position, blockedBy, blockedSince } = found.record ?? {};
    return { ...ahead, position, blockedBy, blockedSince };
  }

  /**
   * Asks for cancel, pause, resume or postpone, wherever the operation is, and answers its record. It may move from its
   * queue to its own workflow meanwhile: then it is asked there, with the same update id.
   */
  async act(name, id, token, request = {}) {
    const updateId = randomUUID();
    for (let round = 0; ; round++) {
      const own = this.client.workflow.getHandle(operationId(id));
      try {
        return await execute(own, name, updateId, request);
      } catch (error) {
        if (token === undefined || !(error instanceof WorkflowNotFoundError)) throw error;
      }
      const serializer = this.client.workflow.getHandle(serializerId(token));
      try {
        return await execute(serializer, name, updateId, { operationId: id, ...request });
      } catch (error) {
        const moved = ['OperationStarted', 'OperationNotFound'].includes(error.refusal?.type);
        if (!moved || round === 5) throw error;
        await sleep(100 * 2 ** round);
      }
    }
  }

  /** Asks for hold, release, setPolicy, skip, cancelAll or rerun of a token, also of one that idles. */
  async actOnToken(name, token, request = {}) {
    const updateId = randomUUID();
    return repeat(() =>
      this.client.workflow.executeUpdateWithStart(name, {
        updateId,
        args: [request],
        startWorkflowOperation: new WithStartWorkflowOperation('Serializer', {
          workflowId: serializerId(token),
          taskQueue: this.taskQueue,
          args: [{ token }],
          workflowIdConflictPolicy: 'USE_EXISTING',
        }),
      }),
    );
  }

  /** Waits until the operation is Completed and answers its record, whatever the outcome. */
  async wait(id, token) {
    const handle = this.client.workflow.getHandle(operationId(id));
    for (let pause = 1000, unknown = 0; !(await exists(handle)); pause = Math.min(pause * 1.5, 30_000)) {
      if ((await this.find(id, token)) === undefined && ++unknown > 5) {
        throw new Refused({ type: 'OperationNotFound', message: `nothing is known of operation ${id}` });
      }
      await sleep(pause); // it queues
    }
    try {
      await handle.result();
    } catch (error) {
      if (!(error instanceof WorkflowFailedError)) throw error; // it ended Failed or Canceled
    }
    return handle.query('operation');
  }
}

async function exists(handle) {
  try {
    await handle.describe();
    return true;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}

function execute(handle, name, updateId, request) {
  return repeat(() => handle.executeUpdate(name, { updateId, args: [request] }));
}

/** Sends an update again, with the same id, while its workflow's run is ending or busy. */
async function repeat(once) {
  for (let round = 0; ; round++) {
    try {
      return await once();
    } catch (error) {
      if (!(error instanceof WorkflowUpdateFailedError)) throw error;
      const { type, message, details } = error.cause;
      if (!['ContinuingAsNew', 'Busy'].includes(type) || round === 7) {
        throw new Refused({ message, ...details?.[0], type });
      }
      await sleep(100 * 2 ** round);
    }
  }
}
