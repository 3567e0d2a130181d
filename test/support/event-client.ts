import { type ClientRequest, type IncomingMessage, request } from 'node:http';

export interface Event {
  readonly id?: string;
  readonly event?: string;
  readonly data?: any;
}

/** A reader of server-sent events over a real socket, which keeps all it was sent. */
export class EventClient {
  readonly events: Event[] = [];
  status = 0;
  headers: IncomingMessage['headers'] = {};
  /** The body of an answer that is no stream. */
  body = '';
  ended = false;
  lastId: string | undefined;
  #request: ClientRequest | undefined;
  #response: IncomingMessage | undefined;
  #wake: (() => void)[] = [];

  /** Connects, and resolves when the answer has begun. */
  async open(base: string, token: string, body: unknown, headers: Record<string, string> = {}): Promise<this> {
    await new Promise<void>((resolve, reject) => {
      this.#request = request(
        `${base}/api/v1/events/subscribe/project-events`,
        {
          method: 'POST',
          agent: false,
          headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
        },
        (response) => {
          this.status = response.statusCode!;
          this.headers = response.headers;
          this.#response = response;
          this.#read(response);
          resolve();
        },
      );
      this.#request.on('error', (error) => {
        this.#finish();
        reject(error);
      });
      this.#request.end(JSON.stringify(body));
    });
    return this;
  }

  #read(response: IncomingMessage): void {
    let text = '';
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => {
      text += chunk;
      this.body += chunk;
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        this.#take(text.slice(0, end));
        text = text.slice(end + 2);
      }
      this.#notify();
    });
    response.on('close', () => this.#finish());
    response.on('error', () => this.#finish());
  }

  #take(frame: string): void {
    const fields = Object.fromEntries(frame.split('\n').map((line) => line.split(/: (.*)/s)));
    if (fields.id !== undefined) this.lastId = fields.id;
    this.events.push({ ...fields, ...(fields.data === undefined ? {} : { data: JSON.parse(fields.data) }) });
  }

  #finish(): void {
    this.ended = true;
    this.#notify();
  }

  #notify(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }

  /** All that told of something: no pings. */
  get news(): Event[] {
    return this.events.filter(({ event }) => event !== 'ping');
  }

  /** Changed names, as `event environment path:key`. */
  get told(): string[] {
    return this.news.flatMap(({ data }) =>
      [data?.data?.payload ?? []]
        .flat()
        .map(
          (at: any) =>
            `${data.data.eventType} ${at.environment} ${at.secretPath}${at.secretKey ? `:${at.secretKey}` : ''}`,
        ),
    );
  }

  /** Waits until something is so. */
  async until(holds: (client: this) => boolean, what = 'the expected events', withinMs = 10_000): Promise<void> {
    const deadline = performance.now() + withinMs;
    while (!holds(this)) {
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`waited for ${what}; there came ${JSON.stringify(this.events)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  /** From now on nothing is read any more. */
  pause(): void {
    this.#response?.pause();
  }

  close(): void {
    this.#request?.destroy();
  }
}
