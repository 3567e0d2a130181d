import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { expect } from 'vitest';
import type { Random } from './seeds.ts';

/** Secrets that one write changes together. */
const BATCH = ['A', 'B', 'C', 'D'];
/** What a client waits after an answer that told it to come back, in milliseconds: it goes on while the fault lasts. */
const COME_BACK_MS = 10;
const PATIENCE_MS = 60_000;

export interface LoadOptions {
  /** Where to send the next request. */
  readonly address: () => string;
  readonly authorization: string;
  readonly projectId: string;
  readonly random: Random;
  /** @default 4 */
  readonly writers?: number;
  /** @default 4 */
  readonly readers?: number;
  /** What each rests after a request, in milliseconds. @default 0 */
  readonly pauseMs?: number;
}

/** What came of a request: a status, or `lost` when the connection broke before one. */
type Outcome = number | 'lost';

/** Loads that run; what a failed test left would keep the machine busy for all others. */
const running = new Set<Load>();

/** Ends what a failed test left. */
export async function stopLoads(): Promise<void> {
  await Promise.all([...running].map((load) => load.stop()));
}

interface Writer {
  readonly name: string;
  /** The numbers of writes that were answered 200. Number 0 is the creation. */
  readonly acknowledged: Set<number>;
  attempted: number;
}

/**
 * Clients that write and read one folder without a pause while a fault happens, and remember what they were told. Each write is
 * a batch of four secrets that all get the number of the write as value; each request names itself in its user agent, by
 * which its audit row is found.
 */
export class Load {
  readonly #options: LoadOptions;
  readonly #writers: Writer[];
  readonly #readers: string[];
  readonly #reads = new Set<string>();
  readonly #wrongs: string[] = [];
  readonly #underWay: Promise<void>[] = [];
  #stopped = false;
  /** Of requests that were not answered 200: why, each once. */
  readonly reasons = new Set<string>();
  /** How often each outcome was met. */
  readonly outcomes = new Map<Outcome, number>();

  constructor(options: LoadOptions) {
    this.#options = options;
    // Of this load alone: another may have been on the same database.
    const named = (kind: string, count: number) =>
      Array.from({ length: count }, (_, n) => `${kind}${n}_${options.projectId.slice(0, 8)}`);
    this.#writers = named('w', options.writers ?? 4).map((name) => ({
      name,
      acknowledged: new Set<number>(),
      attempted: 0,
    }));
    this.#readers = named('r', options.readers ?? 4);
  }

  async start(): Promise<void> {
    running.add(this);
    for (const writer of this.#writers) {
      expect(await this.#write('POST', writer, 0), `creation for ${writer.name}`).toBe(200);
    }
    for (const writer of this.#writers) this.#underWay.push(this.#keepWriting(writer));
    for (const reader of this.#readers) this.#underWay.push(this.#keepReading(reader));
  }

  /** Waits for that many more answers 200: that the clients are served, now. */
  async served(more: number): Promise<void> {
    const from = this.outcomes.get(200) ?? 0;
    await expect
      .poll(() => this.outcomes.get(200) ?? 0, { timeout: PATIENCE_MS, interval: 5 })
      .toBeGreaterThanOrEqual(from + more);
  }

  /** Waits until that many more requests met something else than a 200. */
  async failed(more: number): Promise<void> {
    const failures = () => this.#total() - (this.outcomes.get(200) ?? 0);
    const from = failures();
    await expect.poll(failures, { timeout: PATIENCE_MS, interval: 5 }).toBeGreaterThanOrEqual(from + more);
  }

  /** After `stop`: every client was answered, always with one of these. */
  expectOnly(...statuses: number[]): void {
    expect([...this.outcomes.keys()].sort(), [...this.reasons].join('\n')).toEqual(statuses);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    running.delete(this);
    await Promise.all(this.#underWay);
  }

  #total(): number {
    return [...this.outcomes.values()].reduce((sum, count) => sum + count, 0);
  }

  async #keepWriting(writer: Writer): Promise<void> {
    while (!this.#stopped) {
      const status = await this.#write('PATCH', writer, writer.attempted + 1);
      await this.#rest(status);
    }
  }

  async #rest(outcome: Outcome): Promise<void> {
    const { pauseMs = 0 } = this.#options;
    if (outcome !== 200 || pauseMs > 0) await pause(Math.max(pauseMs, outcome === 200 ? 0 : COME_BACK_MS));
  }

  async #write(method: string, writer: Writer, number: number): Promise<Outcome> {
    writer.attempted = number;
    const { projectId } = this.#options;
    const secrets = BATCH.map((key) => ({
      secretKey: `${writer.name}_${key}`,
      secretValue: `${writer.name}-value-${number}`,
    }));
    const { outcome } = await this.#send(method, '/api/v4/secrets/batch', `${writer.name}-${number}`, {
      projectId,
      environment: 'dev',
      secrets,
    });
    if (outcome === 200) writer.acknowledged.add(number);
    return outcome;
  }

  async #keepReading(reader: string): Promise<void> {
    for (let number = 1; !this.#stopped; number++) {
      // As of now: whatever was acknowledged before a read began must be in its answer.
      const least = this.#writers.map(({ acknowledged }) => Math.max(...acknowledged));
      const name = `${reader}-${number}`;
      const { outcome, body } = await this.#send('GET', this.#list(), name);
      if (outcome === 200) {
        this.#reads.add(name);
        for (const [at, writer] of this.#writers.entries()) this.#look(name, writer, body, least[at]!);
      }
      await this.#rest(outcome);
      // Some ask at once again, others later, so that groups of all sizes come about.
      if (this.#options.random.next() < 0.2) await pause(this.#options.random.between(1, 15));
    }
  }

  #list(): string {
    return `/api/v4/secrets?projectId=${this.#options.projectId}&environment=dev`;
  }

  #look(read: string, writer: Writer, body: any, least: number): void {
    const numbers = numbersOf(writer.name, body);
    const [first] = numbers;
    if (numbers.length !== BATCH.length || numbers.some((number) => number !== first)) {
      this.#wrongs.push(`${read} saw half a batch of ${writer.name}: ${numbers}`);
    } else if (first! < least) this.#wrongs.push(`${read} saw ${writer.name} at ${first}, after ${least} was answered`);
  }

  async #send(method: string, path: string, name: string, body?: object): Promise<{ outcome: Outcome; body?: any }> {
    let outcome: Outcome = 'lost';
    let answer: any;
    try {
      const response = await fetch(this.#options.address() + path, {
        method,
        headers: {
          authorization: this.#options.authorization,
          'user-agent': name,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(PATIENCE_MS),
      });
      const text = await response.text();
      outcome = response.status;
      answer = JSON.parse(text);
      if (outcome !== 200) this.reasons.add(`${outcome}: ${answer.message}`);
      if (outcome === 503 && response.headers.get('retry-after') === null) {
        this.#wrongs.push(`${name}: a 503 without retry-after: ${text}`);
      }
      if (outcome !== 200 && outcome !== 503) this.#wrongs.push(`${name}: ${outcome} ${text.slice(0, 300)}`);
    } catch (error) {
      // Cut off before the end of an answer: the client knows nothing.
      outcome = 'lost';
      const { message, cause } = error as Error & { cause?: { code?: string; message?: string } };
      this.reasons.add(`${message}: ${cause?.code ?? cause?.message}`);
      if ((error as Error).name === 'TimeoutError') this.#wrongs.push(`${name} had no answer in ${PATIENCE_MS} ms`);
    }
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
    return { outcome, body: answer };
  }

  /**
   * Compares what the clients were told with the state of the world, after `stop`: nothing that was acknowledged is lost, nothing is
   * there by half, each change has its audit row and each audit row its change, each answered read has its audit row.
   */
  async settle(uri: string): Promise<void> {
    expect(this.#wrongs).toEqual([]);
    const { outcome, body } = await this.#send('GET', this.#list(), 'settle');
    expect(outcome).toBe(200);
    const audited = await auditedRequests(uri);
    for (const { name, acknowledged, attempted } of this.#writers) {
      const numbers = numbersOf(name, body);
      const current = numbers[0]!;
      const told = `${name}: acknowledged up to ${Math.max(...acknowledged)}, attempted ${attempted}`;
      expect(numbers, told).toEqual(BATCH.map(() => current));
      expect(current, told).toBeGreaterThanOrEqual(Math.max(...acknowledged));
      expect(current, told).toBeLessThanOrEqual(attempted);

      const recorded = [...audited].filter(([request]) => request.startsWith(`${name}-`));
      expect(
        recorded.filter(([, rows]) => rows !== BATCH.length),
        `${name}: writes without one audit row for each secret`,
      ).toEqual([]);
      const changes = recorded.map(([request]) => Number(request.split('-')[1])).sort((a, b) => a - b);
      expect(
        [...acknowledged].filter((number) => !changes.includes(number)),
        `${told}; acknowledged without an audit row`,
      ).toEqual([]);
      expect(changes.at(-1), `${told}; the last change has its audit row`).toBe(current);
      // A version for each audit row, and an audit row for each version: no change without its record, no record without its change.
      for (const secret of secretsOf(name, body)) {
        expect(secret.version, `${told}; versions of ${secret.secretKey} and audit rows`).toBe(changes.length);
      }
    }
    expect(
      [...this.#reads].filter((read) => !audited.has(read)),
      'answered reads without an audit row',
    ).toEqual([]);
  }
}

const secretsOf = (name: string, body: any): any[] =>
  body.secrets.filter(({ secretKey }: any) => secretKey.startsWith(`${name}_`));
const numbersOf = (name: string, body: any) =>
  secretsOf(name, body).map(({ secretValue }) => Number(secretValue.split('-').at(-1)));

/** How many rows say that a request was answered, by the name that it gave itself. */
async function auditedRequests(uri: string): Promise<Map<string, number>> {
  const client = new pg.Client(uri);
  await client.connect();
  try {
    const { rows } = await client.query(
      `select user_agent as name, count(*)::int as rows from audit_log
        where outcome = 'allowed' and user_agent ~ '^[wr][0-9]+_[0-9a-f]+-' group by user_agent`,
    );
    return new Map(rows.map(({ name, rows: count }) => [name, count]));
  } finally {
    await client.end();
  }
}
