import type { ServerResponse } from 'node:http';

export interface StreamOptions {
  /** How long a reader may take to read what waits for it, in milliseconds. @default 30000 */
  readonly stalledMs?: number | undefined;
}

const STALLED_MS = 30_000;
const KEEP_ALIVE_MS = 30_000;

export interface Frame {
  readonly id?: string | undefined;
  readonly event?: string | undefined;
  readonly data?: unknown;
  /** How long a client should wait before it comes back, in milliseconds. */
  readonly retry?: number | undefined;
}

/**
 * One answer of server-sent events (WHATWG HTML, 9.2). Who sends waits until the last frame was read (`ready`), so that a
 * slow reader holds one frame and no more; one that does not take it in time is cut off. Nothing is dropped in secret:
 * it comes back with the id of the last event it had, and is told what it missed.
 */
export class EventStream {
  readonly #raw: ServerResponse;
  readonly #stalledMs: number;
  #stalled: NodeJS.Timeout | undefined;
  #closed = false;
  #full = false;
  /** Whether the reader was cut off, since it did not read. */
  tooSlow = false;
  #wake: (() => void)[] = [];

  constructor(raw: ServerResponse, headers: Readonly<Record<string, string>>, options: StreamOptions = {}) {
    this.#raw = raw;
    this.#stalledMs = options.stalledMs ?? STALLED_MS;
    // An injected request has no socket. A peer that vanished without a word would otherwise be written to for a quarter of an hour.
    raw.socket?.setKeepAlive?.(true, KEEP_ALIVE_MS);
    raw.socket?.setNoDelay?.(true);
    raw.on('drain', () => this.#drained());
    raw.on('error', () => this.cut());
    raw.once('close', () => this.#drained());
    raw.writeHead(200, {
      ...headers,
      'content-type': 'text/event-stream',
      'cache-control': 'no-cache, no-store',
      // A proxy that collects an answer before it passes it on would hold every event back (nginx).
      'x-accel-buffering': 'no',
    });
    raw.flushHeaders();
  }

  /** Runs `work` once, when the reader is gone or was sent away. */
  onClose(work: () => void): void {
    if (this.#raw.destroyed) work();
    else this.#raw.once('close', work);
  }

  /** Whether the reader still has to take what was sent last. */
  get full(): boolean {
    return this.#full;
  }

  /** Resolves when the reader has taken what was sent, or is gone. */
  async ready(): Promise<void> {
    if (this.#full) await new Promise<void>((wake) => this.#wake.push(wake));
  }

  /** Sends a frame. False when nobody is there to read it. */
  send(frame: Frame): boolean {
    if (this.#closed || this.#raw.destroyed) return false;
    if (!this.#raw.write(textOf(frame))) {
      this.#full = true;
      this.#stalled ??= setTimeout(() => this.#tooSlow(), this.#stalledMs).unref();
    }
    return true;
  }

  /** Ends the answer when what waits has been read; a reader that reads nothing does not hold it up. */
  end(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#raw.end();
    this.#stalled ??= setTimeout(() => this.#tooSlow(), this.#stalledMs).unref();
    this.onClose(() => clearTimeout(this.#stalled));
  }

  /** Breaks the connection, and frees what waits for it. */
  cut(): void {
    this.#closed = true;
    clearTimeout(this.#stalled);
    this.#raw.destroy();
  }

  #tooSlow(): void {
    this.tooSlow = true;
    this.cut();
  }

  #drained(): void {
    clearTimeout(this.#stalled);
    this.#stalled = undefined;
    this.#full = false;
    for (const wake of this.#wake.splice(0)) wake();
  }
}

function textOf({ id, event, data, retry }: Frame): string {
  let text = '';
  if (retry !== undefined) text += `retry: ${retry}\n`;
  if (id !== undefined) text += `id: ${id}\n`;
  if (event !== undefined) text += `event: ${event}\n`;
  // JSON holds no line end, so one line is enough.
  if (data !== undefined) text += `data: ${JSON.stringify(data)}\n`;
  return `${text}\n`;
}
