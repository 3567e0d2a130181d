import type { TokenSource } from './authentication.ts';
import { Unauthorized, UnexpectedAnswer } from './errors.ts';
import type { StreamedEvent } from './sse.ts';
import type { Call, Reply, StreamCall, Transport } from './transport.ts';

/** Calls with a token: what every resource is built on. */
export class Session {
  readonly #transport: Transport;
  readonly #tokens: TokenSource | undefined;

  constructor(transport: Transport, tokens: TokenSource | undefined) {
    this.#transport = transport;
    this.#tokens = tokens;
  }

  /** Obtains a token now, where the first call would. */
  async logIn(signal?: AbortSignal): Promise<void> {
    await this.#tokens?.token(signal);
  }

  /** Machine identity that the present token is of, as the token says itself. */
  get identityId(): string | undefined {
    return this.#tokens?.identityId;
  }

  /** Without a token, for the routes that answer strangers. */
  async open<Answer>(call: Call<Answer>): Promise<Answer> {
    return present(call, await this.#transport.send(call));
  }

  /** With a token of the caller's. A token that is refused is replaced once, when another one can be had. */
  async call<Answer>(call: Call<Answer>): Promise<Answer> {
    return present(call, await this.exchange(call));
  }

  /** As `call`, for callers who know what to do with a 304. */
  async exchange<Answer>(call: Call<Answer>): Promise<Reply<Answer>> {
    const tokens = this.#tokens;
    if (!tokens)
      throw new TypeError(`${call.method} ${call.path} needs credentials: a token, or clientId and clientSecret`);
    const send = (token: string) =>
      this.#transport.send({ ...call, headers: { ...call.headers, authorization: `Bearer ${token}` } });
    const token = await tokens.token(call.signal);
    try {
      return await send(token);
    } catch (error) {
      // Refused before anything was done, so a write can be sent again: with a token of a new login, once.
      if (!(error instanceof Unauthorized) || !tokens.refused(token)) throw error;
      return send(await tokens.token(call.signal));
    }
  }

  /** A stream of events; a token that was refused is replaced once, before anything was heard. */
  async *stream(call: StreamCall): AsyncGenerator<StreamedEvent, void, undefined> {
    const tokens = this.#tokens;
    if (!tokens) throw new TypeError(`${call.path} needs credentials: a token, or clientId and clientSecret`);
    const open = (token: string) =>
      this.#transport.stream({ ...call, headers: { ...call.headers, authorization: `Bearer ${token}` } });
    const token = await tokens.token(call.signal);
    try {
      yield* open(token);
    } catch (error) {
      if (!(error instanceof Unauthorized) || !tokens.refused(token)) throw error;
      yield* open(await tokens.token(call.signal));
    }
  }
}

function present<Answer>(call: Call<Answer>, reply: Reply<Answer>): Answer {
  if (reply.answer === undefined)
    throw new UnexpectedAnswer(`${call.method} ${call.path}: 304, though no copy was named`);
  return reply.answer;
}
