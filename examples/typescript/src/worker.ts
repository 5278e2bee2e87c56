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
    // On SIGTERM handlers may end for so long; then they leave their checkpoint to another worker.
    shutdownGraceTime: process.env.SHUTDOWN_GRACE ?? '25s',
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
