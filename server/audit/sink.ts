import { type FileHandle, open } from 'node:fs/promises';
import type { Outbound } from '../outbound/outbound.ts';

/** Where signed heads go that the database does not control. At least once each, in order. */
export interface HeadSink {
  /** Resolves when the lines are kept; rejects when they are not, and then gets them again. */
  put(lines: readonly string[]): Promise<void>;
}

/** Appends to a file, and flushes it to the disk. Each replica has one of its own, or all append to one that they share. */
class FileSink implements HeadSink {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async put(lines: readonly string[]): Promise<void> {
    const file: FileHandle = await open(this.#path, 'a', 0o640);
    try {
      await file.appendFile(`${lines.join('\n')}\n`);
      await file.datasync();
    } finally {
      await file.close();
    }
  }
}

/** Posts the lines as NDJSON; whatever answers 2xx has them. */
class WebhookSink implements HeadSink {
  readonly #url: string;
  readonly #outbound: Outbound;

  constructor(url: string, outbound: Outbound) {
    this.#url = url;
    this.#outbound = outbound;
  }

  async put(lines: readonly string[]): Promise<void> {
    const { status } = await this.#outbound.fetch(this.#url, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
      body: `${lines.join('\n')}\n`,
    });
    if (status < 200 || status > 299) throw new Error(`the audit sink answered with status ${status}`);
  }
}

/** The log: what collects this process's output has the heads. */
class LogSink implements HeadSink {
  readonly #say: (head: unknown) => void;

  constructor(say: (head: unknown) => void) {
    this.#say = say;
  }

  async put(lines: readonly string[]): Promise<void> {
    for (const line of lines) this.#say(JSON.parse(line));
  }
}

/**
 * The sink of KMS_AUDIT_SINK: `file:/path`, an https URL, or the log where it is not set.
 *
 * @param say writes a head to the log
 */
export function openSink(setting: string | undefined, outbound: Outbound, say: (head: unknown) => void): HeadSink {
  if (setting === undefined) return new LogSink(say);
  if (setting.startsWith('file:')) return new FileSink(setting.slice('file:'.length));
  outbound.check(setting);
  return new WebhookSink(setting, outbound);
}
