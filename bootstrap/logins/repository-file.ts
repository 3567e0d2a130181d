import { constants } from 'node:fs';
import { lstat, open } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import {
  canonicalEnvironment,
  canonicalPath,
  isKmsAddress,
  pathProblem,
  slugProblem,
} from '../../contracts/name-rules.ts';
import type { RepositoryFile } from '../../contracts/repository.ts';
import { UserError } from '../problem.ts';

const NAME = '.kms.yaml';

/** What a repository says of its secrets, and in which file. */
export interface Repository extends RepositoryFile {
  readonly file?: string;
}

/**
 * The `.kms.yaml` of a folder, or of the nearest one above it; empty when there is none. One that belongs to somebody else is refused: in a
 * folder that all may write to, as /tmp, it would decide what a command above it reads.
 *
 * @throws UserError when it is not what it should be
 */
export async function findRepository(from: string): Promise<Repository> {
  for (let folder = resolve(from); ; folder = dirname(folder)) {
    const file = join(folder, NAME);
    const text = await readOurs(file);
    if (text !== undefined) return parse(text, file);
    if (dirname(folder) === folder) return {};
  }
}

/**
 * A file of the caller's own. Asked of the open file, and of the link that may have led to it, before anything is read: nobody exchanges one for
 * another in between, and a pipe that somebody put there keeps nobody waiting.
 */
async function readOurs(file: string): Promise<string | undefined> {
  const handle = await open(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
      throw new UserError(`${file} cannot be read: ${error.code}`);
    },
  );
  if (!handle) return undefined;
  try {
    const about = await handle.stat();
    const stranger = [about, await lstat(file)].find(({ uid }) => uid !== process.geteuid?.() && uid !== 0);
    if (process.geteuid && stranger)
      throw new UserError(
        `${file} belongs to another user (${stranger.uid}), so it is not trusted`,
        'remove it, or make it yours',
      );
    if (!about.isFile()) throw new UserError(`${file} cannot be read: it is no file`);
    return await handle.readFile('utf8');
  } finally {
    await handle.close();
  }
}

async function parse(text: string, file: string): Promise<Repository> {
  const plain = parsePlain(text);
  if (plain) return { ...plain, file };
  // Loaded here: a file of the usual form does not wait for them.
  const [{ parse: parseYaml }, { RepositoryFile }] = await Promise.all([
    import('yaml'),
    import('../../contracts/repository.ts'),
  ]);
  let content: unknown;
  try {
    content = parseYaml(text) ?? {};
  } catch (error) {
    throw new UserError(`${file} is no YAML: ${(error as Error).message.split('\n', 1)[0]}`);
  }
  const parsed = RepositoryFile.safeParse(content);
  if (parsed.success) return { ...parsed.data, file };
  const problems = parsed.error.issues.map(({ path, message }) =>
    path.length > 0 ? `${path.join('.')}: ${message}` : message,
  );
  throw new UserError(
    `${file}: ${problems.join('; ')}`,
    'it holds url, org, project, env and path, and never a credential',
  );
}

const PLAIN = /^(url|org|project|env|path): +(\S+)(?: +#.*)?$/;
/** Words that YAML takes for something else than text begin or look otherwise; those of letters alone are these. */
const NO_TEXT = /^(true|false|null)$/;

/**
 * What a file of the usual form says: a key and a plain value to a line. Everything else, errors included, is left to the parser of YAML and
 * the schema, which take longer to load than all else that `kms run` needs.
 */
export function parsePlain(text: string): RepositoryFile | undefined {
  const found = new Map<string, string>();
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const [, key, value] = PLAIN.exec(line) ?? [];
    if (key === undefined || value === undefined || found.has(key) || !isPlain(key, value)) return undefined;
    found.set(key, value);
  }
  const [env, path] = [found.get('env'), found.get('path')];
  return {
    ...Object.fromEntries(found),
    ...(env === undefined ? {} : { env: canonicalEnvironment(env) }),
    ...(path === undefined ? {} : { path: canonicalPath(path) }),
  };
}

function isPlain(key: string, value: string): boolean {
  if (key === 'url') return /^https?:\/\/[\w./:-]+$/.test(value) && !value.endsWith(':') && isKmsAddress(value);
  if (key === 'path') return value.startsWith('/') && pathProblem(value) === undefined;
  return /^[a-z]/.test(value) && !NO_TEXT.test(value) && slugProblem(value) === undefined;
}
