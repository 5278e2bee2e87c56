// A handler of Seriatim in TypeScript: copy this file. It does what docs/protocol.md asks of a handler
// in any language, with Temporal's own SDK, so that the handler itself is a function.
import { hostname } from 'node:os';
import { Context } from '@temporalio/activity';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';

/** What was submitted; docs/protocol.md has the fields that are not named here. */
export interface Operation {
  /** The same in every attempt: the idempotency key at the target. */
  readonly id: string;
  readonly operationType: string;
  readonly name?: string;
  readonly dependencyToken?: string;
  readonly ownerId?: string;
  readonly correlationId?: string;
  /** The W3C trace context of the span that submitted it. */
  readonly traceparent?: string;
  readonly depth?: number;
  readonly data?: unknown;
}

/** Tells attempts apart: compare sequence, then n, then attempt. A target that has seen a higher one refuses the write. */
export interface Fence {
  readonly sequence: number;
  readonly n: number;
  readonly attempt: number;
}

/** How far the work is. done and total are in units of your own; note is for people, cut after 1000 bytes. */
export interface Progress<Checkpoint> {
  /** Where to go on, as JSON of at most 64 KiB. undefined keeps the one before, null gives it up. */
  readonly checkpoint?: Checkpoint | null | undefined;
  readonly done?: number;
  readonly total?: number;
  readonly note?: string;
}

/** One call of a handler. */
export interface Request<Data, Checkpoint> {
  readonly operation: Operation;
  readonly data: Data;
  readonly createdOn: Date;
  readonly fence: Fence;
  /** What the last attempt left behind; undefined: begin at the beginning. */
  readonly checkpoint: Checkpoint | undefined;
  /** Aborts on cancel, pause and postpone, and when the worker stops. Hand it on, or call throwIfAborted between steps. */
  readonly signal: AbortSignal;
  /** Tell after each step: it is cheap. The last checkpoint outlives a crash, a pause and a retry. */
  report(progress: Progress<Checkpoint>): void;
}

/** What a retry or a failure may say besides code and message. */
export interface Details {
  /** For people. */
  readonly friendlyMessage?: string;
  /** When a retry begins, in place of the type's retry policy. */
  readonly afterSeconds?: number;
  readonly at?: Date;
  /** false: a retry that uses up no attempt, at least a second later. */
  readonly counted?: boolean;
}

/** An outcome that is no success; throw one. Any other error is a retry, and a handler's return value its result. */
export class Outcome extends Error {
  constructor(
    readonly kind: 'Fail' | 'Retry' | 'Suspend',
    readonly code: string,
    message: string,
    readonly details: Details = {},
  ) {
    super(message);
  }
}
/** Failed for good: trying again cannot help. */
export const fail = (code: string, message: string, friendlyMessage?: string) =>
  new Outcome('Fail', code, message, friendlyMessage === undefined ? {} : { friendlyMessage });
/** Try again, by the type's retry policy or as the details say. */
export const retry = (code: string, message: string, details: Details = {}) => new Outcome('Retry', code, message, details);
/** Wait for a person, who resumes the operation. */
export const suspend = (code: string, message: string, friendlyMessage?: string) =>
  new Outcome('Suspend', code, message, friendlyMessage === undefined ? {} : { friendlyMessage });

type Heartbeat<Checkpoint> = Progress<Checkpoint> & { readonly seconds?: number };

interface Input<Checkpoint> {
  readonly operation: Operation;
  readonly createdOn: string;
  readonly fence: Fence;
  readonly checkpoint?: Checkpoint | null;
}

/**
 * Makes an activity of a function. read checks the operation's data and throws an Error that names the field and its
 * value; the operation then ends Failed with 80044304.
 */
export function handler<Data, Checkpoint, Result>(
  read: (data: unknown) => Data,
  handle: (request: Request<Data, Checkpoint>) => Promise<Result>,
) {
  return async (input: Input<Checkpoint>) => {
    const attempt = new Attempt(input);
    try {
      const result = await handle(attempt.request(input, readable(read, input.operation.data)));
      return { result: bounded('Result', result, 256 * 1024), held: attempt.held() };
    } catch (error) {
      throw attempt.failure(error);
    } finally {
      attempt.end();
    }
  };
}

/** The heartbeats of one attempt. The last one is sent again and again: one without its details would wipe the checkpoint. */
class Attempt<Checkpoint> {
  private readonly context = Context.current();
  private readonly began = Date.now();
  private readonly earlier: number;
  private readonly timer: NodeJS.Timeout | undefined;
  private last: Heartbeat<Checkpoint>;

  constructor(input: Input<Checkpoint>) {
    const { heartbeatDetails, heartbeatTimeoutMs } = this.context.info;
    this.last = (heartbeatDetails as Heartbeat<Checkpoint> | undefined) ?? { checkpoint: input.checkpoint };
    this.earlier = this.last.seconds ?? 0;
    if (heartbeatTimeoutMs) this.timer = setInterval(() => this.beat(), Math.min(heartbeatTimeoutMs / 3, 5000));
  }

  request<Data>(input: Input<Checkpoint>, data: Data): Request<Data, Checkpoint> {
    return {
      operation: input.operation,
      data,
      createdOn: new Date(input.createdOn),
      fence: { ...input.fence, attempt: this.context.info.attempt },
      checkpoint: this.last.checkpoint ?? undefined,
      signal: this.context.cancellationSignal,
      report: ({ checkpoint = this.last.checkpoint, note, ...rest }) => {
        bounded('Checkpoint', checkpoint, 64 * 1024);
        this.last = { ...rest, checkpoint, ...(note !== undefined && { note: cut(note, 1000) }) };
        this.beat();
      },
    };
  }

  private beat() {
    this.context.heartbeat({ ...this.last, seconds: this.seconds() });
  }

  end() {
    clearInterval(this.timer);
  }

  /** The error as the operation's workflow reads it. The checkpoint goes with it, since a heartbeat does not. */
  failure(error: unknown): Error {
    const { cancellationSignal, cancellationDetails } = this.context;
    const stopped = error instanceof CancelledFailure || (error instanceof Error && error.name === 'AbortError');
    const { cancelRequested, paused, reset } = cancellationDetails ?? {}; // the latter two: at the server, as the Web UI does
    this.beat();
    if (stopped && cancellationSignal.aborted && (cancelRequested || paused || reset)) {
      return new CancelledFailure('canceled', [{ checkpoint: this.last.checkpoint, held: this.held() }]);
    }
    if (stopped && cancellationSignal.aborted) error = retry('Interrupted', 'the worker stopped', { counted: false });
    const { kind, code, message, details } = asOutcome(error);
    return ApplicationFailure.create({
      message,
      type: kind,
      nonRetryable: kind !== 'Retry' || details.counted === false,
      details: [{ ...details, code, checkpoint: this.last.checkpoint, held: this.held() }],
      ...delay(details),
      ...(error instanceof Outcome || !(error instanceof Error) ? {} : { cause: error }),
    });
  }

  held() {
    const { attempt } = this.context.info;
    const hostId = `${process.pid}@${hostname()}`; // the SDK's default identity
    return { hostId, startedOn: new Date(this.began).toISOString(), seconds: this.seconds(), retries: attempt - 1 };
  }

  private seconds() {
    return Math.round(this.earlier * 100 + (Date.now() - this.began) / 10) / 100;
  }
}

function asOutcome(error: unknown): Outcome {
  if (error instanceof Outcome) return error;
  if (error instanceof Error) return retry(error.name, error.message);
  return retry('Error', String(error));
}

/** When the engine tries again, where the handler said so. */
function delay({ at, afterSeconds }: Details) {
  const ms = at === undefined ? (afterSeconds ?? 0) * 1000 : at.getTime() - Date.now();
  return ms > 0 ? { nextRetryDelay: Math.ceil(ms) } : {};
}

function readable<Data>(read: (data: unknown) => Data, data: unknown): Data {
  try {
    return read(data ?? {});
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw fail('80044304', message, "The operation's data cannot be used. Correct it and submit it as a new operation.");
  }
}

function bounded<Value>(what: string, value: Value, limit: number): Value {
  const bytes = Buffer.byteLength(JSON.stringify(value) ?? ''); // undefined has no JSON
  if (bytes > limit) throw fail(`${what}TooLarge`, `${what.toLowerCase()}: has ${bytes} bytes, the limit is ${limit}`);
  return value;
}

function cut(text: string, bytes: number): string {
  return new TextDecoder().decode(Buffer.from(text).subarray(0, bytes)).replace(/\uFFFD$/, '');
}
