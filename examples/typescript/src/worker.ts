// A worker with one handler, on a task queue of its own. What is bound to it is the Seriatim worker's config.yaml.
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { NativeConnection, Worker } from '@temporalio/worker';
import { archiveDocuments } from './archive.js';

/** A setting that must be there, by its name in the environment. */
function setting(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

const { connectionOptions, namespace } = loadClientConnectConfig(); // TEMPORAL_* and Temporal's own configuration file
const connection = await NativeConnection.connect(connectionOptions);
try {
  const worker = await Worker.create({
    connection,
    namespace: namespace ?? 'default',
    taskQueue: process.env.TASK_QUEUE ?? 'archive',
    shutdownGraceTime: '25s', // on SIGTERM: handlers end, or leave their checkpoint to another worker
    activities: {
      archiveDocuments: archiveDocuments({
        url: setting('ARCHIVE_URL'),
        folder: setting('ARCHIVE_FOLDER'),
        authorization: process.env.ARCHIVE_AUTHORIZATION,
      }),
    },
  });
  await worker.run();
} finally {
  await connection.close();
}
