import { open, stat } from 'node:fs/promises';
import { createInterface } from 'node:readline';

/** A head as a sink has it. */
export interface SinkHead {
  readonly number: number;
  readonly hash: string;
  readonly keyFingerprint: string;
  readonly instanceId: string;
  readonly replica: string;
}

/** A file of heads, up to where it went when it was opened: heads that come later may be newer than what is verified. */
export interface SinkFile {
  readonly path: string;
  readonly bytes: number;
}

/** A file that was to be read for its heads, and could not be. */
class SinkUnreadable extends Error {
  constructor(path: string, cause: unknown) {
    const { code = 'unreadable' } = cause as { code?: string };
    super(`the file of exported heads "${path}" cannot be read (${code}); check --sink`, { cause });
    this.name = 'SinkUnreadable';
  }
}

export async function openSinkFile(path: string): Promise<SinkFile> {
  const found = await stat(path).catch((error: unknown) => {
    throw new SinkUnreadable(path, error);
  });
  if (found.isDirectory()) throw new SinkUnreadable(path, { code: 'EISDIR' });
  return { path, bytes: found.size };
}

/** Two processes that take turns at sealing may write a few heads out of order. */
const OUT_OF_ORDER = 1_000;

/** The heads of several files in the order of their numbers. Lines that are no head, such as a log's, are passed over. */
export async function* headsOf(files: readonly SinkFile[]): AsyncGenerator<SinkHead> {
  const sources = files.map((file) => inOrder(linesOf(file)));
  const waiting = await Promise.all(sources.map((source) => source.next()));
  for (;;) {
    let least = -1;
    for (const [n, next] of waiting.entries()) {
      if (next.done) continue;
      const best = least < 0 ? undefined : waiting[least]!.value;
      if (best === undefined || next.value.number < best.number) least = n;
    }
    if (least < 0) return;
    yield waiting[least]!.value;
    waiting[least] = await sources[least]!.next();
  }
}

async function* linesOf({ path, bytes }: SinkFile): AsyncGenerator<SinkHead> {
  if (bytes === 0) return;
  const file = await open(path).catch((error: unknown) => {
    throw new SinkUnreadable(path, error);
  });
  const input = file.createReadStream({ end: bytes - 1, encoding: 'utf8' });
  for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    const head = parse(line);
    if (head) yield head;
  }
}

function parse(line: string): SinkHead | undefined {
  try {
    const head = JSON.parse(line);
    return head?.kmsAuditHead === 1 && Number.isSafeInteger(head.number) ? head : undefined;
  } catch {
    // The last line of a file that was cut by a full disk; its head comes again in the next one.
    return undefined;
  }
}

async function* inOrder(heads: AsyncGenerator<SinkHead>): AsyncGenerator<SinkHead> {
  const held: SinkHead[] = [];
  for await (const head of heads) {
    let at = held.length;
    while (at > 0 && held[at - 1]!.number > head.number) at--;
    held.splice(at, 0, head);
    if (held.length > OUT_OF_ORDER) yield held.shift()!;
  }
  yield* held;
}
