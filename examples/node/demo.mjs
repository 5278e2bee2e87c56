// Every request of docs/protocol.md, from Node, against a running server and worker:
//
//   npm ci && node demo.mjs
//
// The operations call an HTTP server in this program, so the worker's http.request must be allowed to
// (SERIATIM_HTTP_ALLOWLOOPBACK=true). It ends with status 1 where something is not as it should be.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { Refused, Seriatim } from './seriatim.mjs';

const connection = await Connection.connect({ address: process.env.TEMPORAL_ADDRESS ?? '127.0.0.1:7233' });
const client = new Client({ connection, namespace: process.env.TEMPORAL_NAMESPACE ?? 'default' });
const seriatim = new Seriatim(client, process.env.SERIATIM_TASKQUEUE);
const token = process.env.TOKEN ?? `node-${randomUUID()}`;

// /slow answers when it is let go, /broken never does well, everything else at once.
let letGo = false;
const target = createServer(async (request, response) => {
  while (request.url === '/slow' && !letGo && !request.destroyed) await sleep(50);
  response.statusCode = request.url === '/broken' ? 404 : 200;
  response.end();
});
await new Promise((ready) => target.listen(0, '127.0.0.1', ready));

const operation = (n, path, more = {}) => ({
  id: `${token}-${n}`,
  operationType: 'http.request',
  data: { url: `http://127.0.0.1:${target.address().port}/${path}` },
  ...more,
});
const id = (n) => `${token}-${n}`;
const who = { identity: 'node', reason: 'demo' };
const Status = { Ready: 0, Waiting: 10, InProgress: 20, Succeeded: 30, Failed: 31, Canceled: 32 };

/** Looks until the operation is so. */
async function becomes(n, status) {
  for (let look = 0; look < 600; look++) {
    const record = await seriatim.find(id(n), token).catch(() => undefined);
    if (record?.statusCode === status) return record;
    await sleep(100);
  }
  throw new Error(`${id(n)} did not become ${status}`);
}

async function refused(type, request) {
  const error = await request.then(() => undefined, (error) => error);
  assert(error instanceof Refused, `not refused: ${error}`);
  assert.equal(error.refusal.type, type);
  return error.refusal;
}

async function play() {
  // Hold a token that never had an operation, and submit to it.
  const held = await seriatim.actOnToken('hold', token, who);
  assert.equal(held.hold.identity, 'node');
  await seriatim.submit(token, operation(1, 'slow'), operation(2, 'ok'), operation(3, 'ok'), operation(4, 'broken'), operation(5, 'ok'));
  await seriatim.submit(token, operation(1, 'slow')); // a repeat changes nothing
  const later = new Date(Date.now() + 3_600_000).toISOString();
  assert.equal(await seriatim.submitAlone(operation('alone', 'ok', { postponeUntil: later })), true);
  assert.equal(await seriatim.submitAlone(operation('alone', 'ok', { postponeUntil: later })), false);

  // Look.
  assert.equal((await becomes(3, Status.Ready)).position, 3);
  const listed = await seriatim.list(token);
  assert.deepEqual(listed.operations.map((o) => o.id), [1, 2, 3, 4, 5].map(id));
  assert.equal((await seriatim.state(token)).counts.duplicates, 1);

  // Act on what queues, and on what waits.
  assert.equal((await seriatim.act('cancel', id(2), token, who)).statusCode, Status.Canceled);
  const postponed = await seriatim.act('postpone', id(3), token, { ...who, until: later });
  assert.equal(Date.parse(postponed.postponeUntil), Date.parse(later));
  assert.equal((await seriatim.act('resume', id(3), token, who)).statusCode, Status.Ready);
  const refusal = await refused('InvalidTransition', seriatim.act('pause', id(3), token));
  assert.deepEqual(refusal.allowedActions, ['postpone', 'cancel']);
  await becomes('alone', Status.Waiting);
  await seriatim.act('resume', id('alone'), undefined, who);
  assert.equal((await seriatim.wait(id('alone'))).statusCode, Status.Succeeded);

  // Let the token go on; pause what runs, and resume it.
  await seriatim.actOnToken('setPolicy', token, { onFailure: 'hold', ...who });
  await seriatim.actOnToken('release', token, who);
  await becomes(1, Status.InProgress);
  await sleep(1000); // its request is under way
  await seriatim.act('pause', id(1), token, who);
  const paused = await becomes(1, Status.Waiting);
  assert.equal(paused.suspendReason, 'paused');
  letGo = true;
  await seriatim.act('resume', id(1), token, who);
  assert.equal((await seriatim.wait(id(1), token)).statusCode, Status.Succeeded);

  // The fourth fails and holds the token: run it again in its place, then go on past it.
  assert.equal((await seriatim.wait(id(4), token)).statusCode, Status.Failed);
  const again = await repeated(() => seriatim.actOnToken('rerun', token, { operationId: id(4), newId: id('4-again'), ...who }));
  assert.equal(again.rerunOf, id(4));
  assert.equal((await seriatim.wait(id('4-again'), token)).statusCode, Status.Failed);
  await repeated(() => seriatim.actOnToken('skip', token, who));
  assert.equal((await seriatim.wait(id(5), token)).statusCode, Status.Succeeded);

  // Cancel all that is left.
  await seriatim.submit(token, operation(6, 'ok', { postponeUntil: later }), operation(7, 'ok'));
  await becomes(6, Status.Waiting);
  await seriatim.actOnToken('cancelAll', token, who);
  for (const n of [6, 7]) assert.equal((await seriatim.wait(id(n), token)).statusCode, Status.Canceled);
}

/** Repeats a request about a failure that the token may not have heard of yet. */
async function repeated(request) {
  for (let round = 0; ; round++) {
    try {
      return await request();
    } catch (error) {
      if (error.refusal?.type !== 'InvalidTransition' || round === 50) throw error;
      await sleep(100);
    }
  }
}

try {
  await play();
  console.log(JSON.stringify((await seriatim.state(token)).counts));
} finally {
  target.close();
  await connection.close();
}
