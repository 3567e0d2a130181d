import { KmsError, KmsTimeout, KmsUnreachable, refusalOf, UnexpectedAnswer } from './errors.ts';
import { parseRetryAfter, type RetryOptions, withRetry } from './retry.ts';
import type { Reader } from './shape.ts';
import { readEvents, type StreamedEvent } from './sse.ts';

/** What is used of `fetch`: the global one will do, and so will whatever answers like it. */
export type Fetch = (
  url: URL,
  init: {
    readonly method: string;
    readonly headers: Record<string, string>;
    readonly body?: string;
    readonly redirect: 'error';
    readonly signal: AbortSignal;
  },
) => Promise<{
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  readonly body: AsyncIterable<Uint8Array> | null;
}>;

/** Where KMS is, and how it is spoken to. */
export interface TransportOptions extends RetryOptions {
  /** Where KMS answers, such as `https://kms.hanzo.ai`; a path in it is kept as a prefix. */
  readonly url: string;
  /**
   * The fetch to use; tests and proxies bring their own.
   * @default - the global one
   */
  readonly fetch?: Fetch;
  /**
   * Longest wait for one answer, in milliseconds; each try has its own.
   * @default 15000
   */
  readonly timeoutMs?: number;
  /** Sent as `user-agent` where the platform allows it; the audit shows it. */
  readonly userAgent?: string;
}

/** One request, and what its answer is held to. */
export interface Call<Answer> {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly body?: unknown;
  readonly answer: Reader<Answer>;
  /**
   * Whether a second time does no harm.
   * @default - true for GET
   */
  readonly idempotent?: boolean;
  readonly headers?: Readonly<Record<string, string>>;
  /** Headers that depend on the very bytes that are sent; asked anew for each try. */
  readonly sign?: (request: { method: string; path: string; body: string }) => Record<string, string>;
  readonly signal?: AbortSignal;
}

/** A request whose answer is a stream of events. */
export interface StreamCall {
  readonly path: string;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Longest silence before the connection counts as broken, in milliseconds. */
  readonly silenceMs: number;
  readonly signal?: AbortSignal;
  /** Told when the server has begun to answer: what changes from now on is in the stream. */
  readonly onOpen?: (() => void) | undefined;
}

/** What came back: the parsed answer, or nothing when the server says that the caller's copy is current (304). */
export interface Reply<Answer> {
  readonly answer: Answer | undefined;
  readonly etag: string | undefined;
}

/** One HTTP exchange with KMS after another: addresses, timeouts, retries and errors, and nothing about meaning. */
export class Transport {
  readonly #options: TransportOptions;
  readonly #base: URL;

  constructor(options: TransportOptions) {
    this.#options = options;
    if (!URL.canParse(options.url) || !/^https?:$/.test(new URL(options.url).protocol)) {
      throw new TypeError(
        `not an address of KMS: ${JSON.stringify(options.url)}; use one such as https://kms.hanzo.ai`,
      );
    }
    this.#base = new URL(options.url.endsWith('/') ? options.url : `${options.url}/`);
  }

  /** One answer, after as many tries as make sense. @throws KmsError, of the kind that says what went wrong */
  async send<Answer>(call: Call<Answer>): Promise<Reply<Answer>> {
    const idempotent = call.idempotent ?? call.method === 'GET';
    return withRetry(() => this.#once(call), this.#options, idempotent, call.signal);
  }

  /** One stream of server-sent events, until it ends or falls silent. It is not tried again here. */
  async *stream(call: StreamCall): AsyncGenerator<StreamedEvent, void, undefined> {
    const { fetch = globalThis.fetch, userAgent } = this.#options;
    const url = new URL(call.path.replace(/^\//, ''), this.#base);
    const silence = new AbortController();
    const signal = call.signal ? AbortSignal.any([call.signal, silence.signal]) : silence.signal;
    let timer = setTimeout(() => silence.abort(), call.silenceMs);
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: {
          accept: 'text/event-stream',
          'content-type': 'application/json',
          ...(userAgent === undefined ? {} : { 'user-agent': userAgent }),
          ...call.headers,
        },
        body: JSON.stringify(call.body),
        redirect: 'error',
        signal,
      });
      if (response.status !== 200) {
        throw refusalOf(
          response.status,
          await readText(response),
          parseRetryAfter(response.headers.get('retry-after')),
        );
      }
      if (response.body === null) return;
      call.onOpen?.();
      for await (const event of readEvents(response.body)) {
        clearTimeout(timer);
        yield event;
        timer = setTimeout(() => silence.abort(), call.silenceMs);
      }
    } catch (error) {
      if (error instanceof KmsError || call.signal?.aborted) throw error;
      if (silence.signal.aborted)
        throw new KmsTimeout(`KMS at ${this.#base.origin} said nothing for ${call.silenceMs / 1000} s`);
      throw new KmsUnreachable(`KMS at ${this.#base.origin} cannot be reached: ${reasonOf(error)}`, { cause: error });
    } finally {
      clearTimeout(timer);
      silence.abort();
    }
  }

  async #once<Answer>(call: Call<Answer>): Promise<Reply<Answer>> {
    const url = new URL(call.path.replace(/^\//, ''), this.#base);
    for (const [name, value] of Object.entries(call.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const body = call.body === undefined ? undefined : JSON.stringify(call.body);
    const { status, headers, text } = await this.#exchange(url, call, body);
    const etag = headers.get('etag') ?? undefined;
    if (status === 304) return { answer: undefined, etag };
    if (status < 200 || status > 299) throw refusalOf(status, text, parseRetryAfter(headers.get('retry-after')));
    return { answer: read(call, text), etag };
  }

  async #exchange(url: URL, call: Call<unknown>, body: string | undefined) {
    const { fetch = globalThis.fetch, timeoutMs = 15_000, userAgent } = this.#options;
    const deadline = AbortSignal.timeout(timeoutMs);
    try {
      const response = await fetch(url, {
        method: call.method,
        headers: {
          accept: 'application/json',
          ...(userAgent === undefined ? {} : { 'user-agent': userAgent }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...call.headers,
          ...call.sign?.({ method: call.method, path: url.pathname + url.search, body: body ?? '' }),
        },
        ...(body === undefined ? {} : { body }),
        // A redirect would carry the token to wherever it points.
        redirect: 'error',
        signal: call.signal ? AbortSignal.any([call.signal, deadline]) : deadline,
      });
      return { status: response.status, headers: response.headers, text: await readText(response) };
    } catch (error) {
      if (error instanceof UnexpectedAnswer) throw error;
      if (call.signal?.aborted) throw call.signal.reason;
      if (deadline.aborted)
        throw new KmsTimeout(`KMS at ${this.#base.origin} gave no answer within ${timeoutMs / 1000} s`);
      throw new KmsUnreachable(`KMS at ${this.#base.origin} cannot be reached: ${reasonOf(error)}`, { cause: error });
    }
  }
}

/** Nothing that KMS answers comes near to this; a server that sends without end must not take the caller's memory. */
const ANSWER_LIMIT_BYTES = 64 * 1024 * 1024;

async function readText(response: { readonly body: AsyncIterable<Uint8Array> | null }): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > ANSWER_LIMIT_BYTES) throw new UnexpectedAnswer(`the answer is larger than ${ANSWER_LIMIT_BYTES} bytes`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

function read<Answer>(call: Call<Answer>, text: string): Answer {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new UnexpectedAnswer(`${call.method} ${call.path}: the answer is not JSON; is this the address of KMS?`);
  }
  const parsed = call.answer.safeParse(json);
  if (parsed.success) return parsed.data;
  const where = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).slice(0, 3);
  throw new UnexpectedAnswer(`${call.method} ${call.path}: the answer is not what it should be (${where.join('; ')})`);
}

/** The innermost cause that says something: fetch itself only says that it failed. */
function reasonOf(error: unknown): string {
  let innermost = error as { message?: string; code?: string; cause?: unknown };
  while (innermost?.cause) innermost = innermost.cause as typeof innermost;
  if (innermost?.code === 'ECONNREFUSED') return 'nothing listens there (ECONNREFUSED)';
  return innermost?.message || innermost?.code || String(error);
}
