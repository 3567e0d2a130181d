import { createHmac } from 'node:crypto';
import type { AuditLog } from '../../contracts/index.ts';
import { isBrokenSeal } from '../../keys/index.ts';
import { showRecord } from '../audit/show.ts';
import type { Database } from '../database/database.ts';
import type { Keyring } from '../keyring/keyring.ts';
import type { Jobs } from '../metrics/job.ts';
import type { Outbound } from '../outbound/outbound.ts';
import { advanceStream, type ClaimedStream, claimStreams, horizonOf, nextRecords, streamFailed } from './store.ts';
import { isSyslog, syslogFrames } from './syslog.ts';

export const PURPOSE = 'audit-stream';

/** What a stream keeps sealed. */
export interface StreamSecrets {
  readonly headers: readonly { readonly key: string; readonly value: string }[];
  readonly signingSecret: string;
}

const EVERY_MS = 1_000;
const STREAMS_AT_ONCE = 8;
const RECORDS_AT_ONCE = 500;
/** Pages that one claim sends before others have their turn. */
const PAGES_AT_MOST = 20;

/**
 * Sends records to where organizations want them: in the order of their transactions, at least once. How far each stream
 * is, is noted after the other side said 2xx, so a crash sends some again and leaves none out. Nothing waits for it.
 */
export class StreamSender {
  readonly #on: { db: Database; keyring: Keyring; outbound: Outbound };
  #stop: (() => void) | undefined;
  #underWay: Promise<void> | undefined;

  constructor(options: { db: Database; keyring: Keyring; outbound: Outbound }) {
    this.#on = options;
  }

  /** @param everyMs 0: never, for tests. @default 1000 */
  start(jobs: Jobs, everyMs = EVERY_MS): void {
    if (everyMs === 0) return;
    this.#stop = jobs.job('audit-streams').every(everyMs, () => this.tick());
  }

  async stop(): Promise<void> {
    this.#stop?.();
    await this.#underWay?.catch(() => undefined);
  }

  /** Sends what there is. Those that ask meanwhile wait for the same round. */
  tick(): Promise<void> {
    this.#underWay ??= this.#round().finally(() => {
      this.#underWay = undefined;
    });
    return this.#underWay;
  }

  async #round(): Promise<void> {
    const claimed = await claimStreams(this.#on.db, STREAMS_AT_ONCE);
    await Promise.all(claimed.map((stream) => this.#drain(stream)));
  }

  async #drain(stream: ClaimedStream): Promise<void> {
    const { db, keyring } = this.#on;
    try {
      const sealed = await keyring.openConfig(PURPOSE, stream.id, stream.sealedSecrets);
      const secrets = JSON.parse(sealed) as StreamSecrets;
      let at = stream;
      for (let page = 1; ; page++) {
        // Where there are records, the moment that they were read in; else one before it, since none says which.
        const before = await horizonOf(db);
        const rows = await nextRecords(db, at, RECORDS_AT_ONCE);
        if (rows.length > 0) await this.#send(stream.url, secrets, rows.map(showRecord));
        const full = rows.length === RECORDS_AT_ONCE;
        const next = full ? rows.at(-1)!.xid : latest(rows[0]?.horizon ?? before, at.next);
        const afterId = full ? rows.at(-1)!.id : null;
        const done = !full || page >= PAGES_AT_MOST;
        await advanceStream(db, stream.id, { next, afterId, sent: rows.length > 0, done });
        if (done) return;
        at = { ...at, next, afterId };
      }
    } catch (error) {
      if (isBrokenSeal(error)) keyring.onBroken(error);
      await streamFailed(db, stream.id, (error as Error).message.slice(0, 300));
    }
  }

  async #send(url: string, secrets: StreamSecrets, records: readonly AuditLog[]): Promise<void> {
    if (isSyslog(url)) await this.#on.outbound.deliverSyslog(url, syslogFrames(records));
    else await this.#post(url, secrets, records);
  }

  async #post(url: string, { headers, signingSecret }: StreamSecrets, auditLogs: readonly AuditLog[]): Promise<void> {
    const body = JSON.stringify({ auditLogs });
    const time = Math.floor(Date.now() / 1000);
    const signature = createHmac('sha256', signingSecret).update(`${time}.${body}`).digest('hex');
    const { status } = await this.#on.outbound.fetch(url, {
      method: 'POST',
      body,
      headers: {
        ...Object.fromEntries(headers.map(({ key, value }) => [key.toLowerCase(), value])),
        'content-type': 'application/json',
        'x-kms-signature': `t=${time},v1=${signature}`,
      },
    });
    if (status < 200 || status > 299) throw new Error(`the receiver answered with status ${status}`);
  }
}

const latest = (one: string, other: string) => (BigInt(one) > BigInt(other) ? one : other);
