// The handler without Temporal and without Seriatim: run, stopped after a report, and called again.
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { ActivityCancellationDetails, ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { archiveDocuments } from './archive.js';

let server: Server;
let url: string;
const asked: string[] = [];

before(async () => {
  server = createServer((request, response) => {
    asked.push(request.url ?? '');
    const status = Number(request.url?.match(/^\/status\/(\d+)/)?.[1] ?? 200);
    response.writeHead(status, { 'Retry-After': '7' }).end(`document ${request.url}`);
  }).listen(0, '127.0.0.1');
  await new Promise((listening) => server.once('listening', listening));
  const address = server.address();
  assert(typeof address === 'object' && address !== null);
  url = `http://127.0.0.1:${address.port}`;
});
after(() => server.close());

async function archive() {
  const folder = await mkdtemp(join(tmpdir(), 'archive-'));
  return { folder, activity: archiveDocuments({ url, folder, authorization: undefined }) };
}

type Archive = ReturnType<typeof archiveDocuments>;
const run = (environment: MockActivityEnvironment, activity: Archive, input: Parameters<Archive>[0]) =>
  environment.run(activity, input) as ReturnType<Archive>;

const input = (paths: unknown, checkpoint?: { documents: number; bytes: number; compressed: number }) => ({
  operation: { id: 'a1', operationType: 'archive.documents', data: { paths } },
  createdOn: '2026-01-01T00:00:00Z',
  fence: { sequence: 7, n: 1, attempt: 0 },
  ...(checkpoint && { checkpoint }),
});

test('keeps each document compressed', async () => {
  const { folder, activity } = await archive();
  const { result } = await run(new MockActivityEnvironment(), activity, input(['/one', '/two.txt']));
  assert.equal(result.documents, 2);
  assert.deepEqual((await readdir(join(folder, 'a1'))).sort(), ['%2Fone.gz', '%2Ftwo%2Etxt.gz']);
  assert.equal(gunzipSync(await readFile(join(folder, 'a1', '%2Fone.gz'))).toString(), 'document /one');
});

test('stops after a report and goes on from its checkpoint', async () => {
  const { activity } = await archive();
  const paths = ['/p1', '/p2', '/p3', '/p4'];
  const first = new MockActivityEnvironment();
  first.on('heartbeat', ({ done }: { done?: number }) => done === 2 && first.cancel());
  const stopped: unknown = await run(first, activity, input(paths)).catch((error: unknown) => error);
  assert(stopped instanceof CancelledFailure);
  const [details] = stopped.details as [{ checkpoint: { documents: number; bytes: number; compressed: number } }];
  assert.equal(details.checkpoint.documents, 2);
  asked.length = 0;
  const { result } = await run(new MockActivityEnvironment(), activity, input(paths, details.checkpoint));
  assert.deepEqual(asked, ['/p3', '/p4']);
  assert.equal(result.documents, 4);
});

test('a lost attempt leaves its heartbeat', async () => {
  const { activity } = await archive();
  const again = new MockActivityEnvironment({ attempt: 2, heartbeatDetails: { checkpoint: { documents: 1, bytes: 9, compressed: 9 } } });
  asked.length = 0;
  await run(again, activity, input(['/q1', '/q2']));
  assert.deepEqual(asked, ['/q2']);
});

test('a worker that stops cancels nothing', async () => {
  const { activity } = await archive();
  const environment = new MockActivityEnvironment();
  environment.on('heartbeat', () => environment.cancel('WORKER_SHUTDOWN', new ActivityCancellationDetails()));
  const error: unknown = await run(environment, activity, input(['/s1', '/s2'])).catch((error: unknown) => error);
  assert(error instanceof ApplicationFailure);
  assert.equal(error.type, 'Retry');
  assert.equal((error.details?.[0] as { counted: boolean }).counted, false);
});

const outcomes: [name: string, paths: unknown, type: string, nonRetryable: boolean, details: object][] = [
  ['a document that is gone fails', ['/status/404'], 'Fail', true, { code: 'DocumentGone' }],
  ['a site that is down is asked again', ['/status/503'], 'Retry', false, { code: 'SiteUnavailable' }],
  ['a busy site names the time', ['/status/429'], 'Retry', true, { code: 'TooManyRequests', counted: false, afterSeconds: 7 }],
  ['one without access needs a person', ['/status/401'], 'Suspend', true, { code: 'AccessDenied' }],
  ['bad data fails', ['one'], 'Fail', true, { code: '80044304' }],
];
for (const [name, paths, type, nonRetryable, details] of outcomes) {
  test(name, async () => {
    const { activity } = await archive();
    const error: unknown = await run(new MockActivityEnvironment(), activity, input(paths)).catch((error: unknown) => error);
    assert(error instanceof ApplicationFailure);
    assert.equal(error.type, type);
    assert.equal(error.nonRetryable, nonRetryable);
    const said = error.details?.[0] as Record<string, unknown>;
    for (const [key, value] of Object.entries(details)) assert.equal(said[key], value, key);
  });
}
