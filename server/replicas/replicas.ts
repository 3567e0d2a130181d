import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { VERSION } from '../../contracts/index.ts';
import type { SigningKeys } from '../../keys/index.ts';
import type { Db } from '../database/database.ts';
import type { Keyring } from '../keyring/keyring.ts';
import type { Jobs } from '../metrics/job.ts';
import { leave, liveReplicas, report } from './store.ts';

export interface ReplicasOptions {
  readonly db: Db;
  readonly keyring: Keyring;
  readonly keys: SigningKeys;
  readonly subscribers: () => number;
  /** What people call this process. @default - the host's name and the process' number */
  readonly name?: string | undefined;
  /** @default 5000 */
  readonly everyMs?: number | undefined;
}

const EVERY_MS = 5_000;

/**
 * Reports, every few seconds, which keys this process holds: a rotation goes on only when every replica holds both. And
 * looks at what the others hold: tokens are signed with a new key only when every one of them knows it.
 */
export class Replicas {
  readonly #on: ReplicasOptions;
  readonly #id = randomUUID();
  readonly #name: string;
  #stop: (() => void) | undefined;
  #beat: Promise<void> | undefined;

  constructor(options: ReplicasOptions) {
    this.#on = options;
    this.#name = options.name ?? `${hostname()}/${process.pid}`;
    // Until the others have been asked.
    if (options.keys.previous) options.keys.signer = options.keys.previous;
  }

  async start(jobs: Jobs): Promise<void> {
    const job = jobs.job('replica-report');
    await job.run(() => this.#report());
    this.#stop = job.every(this.#on.everyMs ?? EVERY_MS, () => {
      // One at a time: of two, the one that a stop does not wait for would report a replica that has left.
      this.#beat ??= this.#report().finally(() => {
        this.#beat = undefined;
      });
      return this.#beat;
    });
  }

  async stop(): Promise<void> {
    this.#stop?.();
    await this.#beat?.catch(() => undefined);
    await leave(this.#on.db, this.#id);
  }

  async #report(): Promise<void> {
    const { db, keyring, keys, subscribers } = this.#on;
    await keyring.refresh();
    await report(db, {
      id: this.#id,
      name: this.#name,
      version: VERSION,
      rootFingerprints: keyring.rootFingerprints,
      authKeyIds: [keys.current.kid, ...(keys.previous ? [keys.previous.kid] : [])],
      configKeyVersion: keyring.configKeyVersion,
      auditKeyVersion: keyring.audit.version,
      subscribers: subscribers(),
    });
    if (keys.previous === undefined) return;
    const known = (await liveReplicas(db)).every(({ authKeyIds }) => authKeyIds.includes(keys.current.kid));
    keys.signer = known ? keys.current : keys.previous;
  }
}
