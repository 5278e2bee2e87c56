// archive.documents: fetches documents of a site, one after another, and keeps each compressed in a folder of its
// operation. It shows all that a handler may do: progress and checkpoint, every outcome, and to stop when asked to.
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { fail, handler, retry, suspend, type Request } from './handler.js';

/** Where the documents come from and go to. An operation names neither, and no credential: see docs/handlers.md. */
export interface Site {
  readonly url: string;
  readonly folder: string;
  readonly authorization: string | undefined;
}

/** An operation's data: the documents' paths at the site. */
interface Documents {
  readonly paths: readonly string[];
}

/** What is done so far, and what the operation's result is in the end. */
interface Done {
  readonly documents: number;
  readonly bytes: number;
  readonly compressed: number;
}

export const archiveDocuments = (site: Site) =>
  handler(readDocuments, async (r: Request<Documents, Done>): Promise<Done> => {
    const folder = join(site.folder, fileName(r.operation.id));
    await mkdir(folder, { recursive: true });
    const total = r.data.paths.length;
    let done = r.checkpoint ?? { documents: 0, bytes: 0, compressed: 0 };
    for (const path of r.data.paths.slice(done.documents)) {
      const content = await fetchDocument(site, path, r);
      const compressed = await promisify(gzip)(content);
      await keep(join(folder, `${fileName(path)}.gz`), compressed);
      done = {
        documents: done.documents + 1,
        bytes: done.bytes + content.length,
        compressed: done.compressed + compressed.length,
      };
      r.report({ checkpoint: done, done: done.documents, total, note: path });
    }
    return done;
  });

/** Each status of the site has its outcome. The signal ends a request that is under way. */
async function fetchDocument(site: Site, path: string, r: Request<Documents, Done>): Promise<Buffer> {
  const { sequence, n, attempt } = r.fence;
  const base = `${site.url.replace(/\/$/, '')}/`;
  const url = new URL(base + path.slice(1));
  if (!url.href.startsWith(base)) throw fail('PathOutside', `${path}: leads out of the site`);
  const response = await fetch(url, {
    signal: r.signal,
    redirect: 'error',
    headers: {
      'Idempotency-Key': r.operation.id,
      'Seriatim-Fence': `${sequence}.${n}.${attempt}`,
      ...(site.authorization !== undefined && { Authorization: site.authorization }),
    },
  });
  if (response.ok) return Buffer.from(await response.arrayBuffer());
  const said = `${path}: the site answered ${response.status}`;
  switch (response.status) {
    case 401:
    case 403:
      throw suspend('AccessDenied', said, 'Renew the access to the site, then resume this operation.');
    case 429: {
      const seconds = Number(response.headers.get('Retry-After'));
      throw retry('TooManyRequests', said, { counted: false, ...(seconds > 0 && { afterSeconds: seconds }) });
    }
    case 404:
    case 410:
      throw fail('DocumentGone', said, `There is no document ${path}.`);
  }
  throw retry('SiteUnavailable', said);
}

/**
 * Writes a file as a whole: under a name of its own, then renamed. An attempt that lost its lock may still be running
 * and write the same file; whichever is later, the file is complete.
 */
async function keep(path: string, content: Buffer) {
  const part = `${path}.${randomUUID()}.part`;
  await writeFile(part, content);
  await rename(part, path);
}

/** A name as a file name that cannot leave its folder and is not too long for one. */
function fileName(name: string): string {
  const encoded = encodeURIComponent(name).replaceAll('.', '%2E');
  return encoded.length <= 200 ? encoded : createHash('sha256').update(name).digest('hex');
}

/** Refuses what is not as it should be by name and value. */
function readDocuments(data: unknown): Documents {
  const { paths, ...unknown } = data as Record<string, unknown>;
  for (const [name, value] of Object.entries(unknown)) {
    throw new Error(`data.${name}: unknown field (got ${JSON.stringify(value)})`);
  }
  if (!Array.isArray(paths) || paths.length === 0) {
    throw new Error(`data.paths: is not an array of paths (got ${JSON.stringify(paths)})`);
  }
  for (const [i, path] of paths.entries()) {
    if (typeof path !== 'string' || !path.startsWith('/')) {
      throw new Error(`data.paths[${i}]: is not a path that begins with "/" (got ${JSON.stringify(path)})`);
    }
  }
  return { paths: paths as string[] };
}
