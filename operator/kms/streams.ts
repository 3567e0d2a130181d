import { setTimeout as sleep } from 'node:timers/promises';
import type { KmsClient } from './clients.ts';
import { Throttle } from './throttle.ts';

export interface StreamsOptions {
  /** Told of every change of a project, with the KMSSecrets that read it. */
  readonly onChange: (users: ReadonlySet<string>) => void;
  /** Told when a stream cannot be had, such as for want of the right; polling goes on meanwhile. */
  readonly onTrouble: (users: ReadonlySet<string>, error: unknown) => void;
}

interface Stream {
  /** Whether what changes is heard of. */
  isOpen: boolean;
  readonly users: Set<string>;
  readonly stop: AbortController;
}

/** What will not pass by itself is looked at again after this time: rights can be given. */
const AGAIN_AFTER_MS = 60_000;
/** However much a stream says, KMS is asked no more often for it. */
const HEARD_EVERY_MS = 500;

/** One event stream for each identity and project, shared by the KMSSecrets that read it. */
export class ChangeStreams {
  readonly #options: StreamsOptions;
  readonly #streams = new Map<string, Stream>();
  readonly #of = new Map<string, string>();

  constructor(options: StreamsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#streams.size;
  }

  /** @param user the KMSSecret, which listens to one stream at a time */
  listen(user: string, client: KmsClient, projectId: string): void {
    const key = `${client.key} ${projectId}`;
    if (this.#of.get(user) === key) return;
    this.release(user);
    this.#of.set(user, key);
    const stream = this.#streams.get(key);
    if (stream) {
      stream.users.add(user);
      // It looked before it listened: what changed in between was told to the others alone.
      if (stream.isOpen) this.#options.onChange(new Set([user]));
      return;
    }
    const started: Stream = { isOpen: false, users: new Set([user]), stop: new AbortController() };
    this.#streams.set(key, started);
    void this.#run(started, client, projectId);
  }

  release(user: string): void {
    const key = this.#of.get(user);
    this.#of.delete(user);
    const stream = key === undefined ? undefined : this.#streams.get(key);
    if (key === undefined || !stream) return;
    stream.users.delete(user);
    if (stream.users.size > 0) return;
    stream.stop.abort();
    this.#streams.delete(key);
  }

  async #run(stream: Stream, { kms }: KmsClient, projectId: string): Promise<void> {
    const { users, stop } = stream;
    const { signal } = stop;
    const heard = new Throttle(() => this.#options.onChange(users), HEARD_EVERY_MS);
    signal.addEventListener('abort', () => heard.stop(), { once: true });
    const onOpen = () => {
      // Later times go on after the last event that was heard.
      if (!stream.isOpen) heard.ask();
      stream.isOpen = true;
    };
    while (!signal.aborted) {
      try {
        // A notice says that something changed in the project. What a folder shows can depend on any other, by imports and
        // references: whether it did change is the server's answer to an ETag.
        for await (const _change of kms.events.subscribe({ projectId, signal, onOpen })) heard.ask();
      } catch (error) {
        if (signal.aborted) return;
        stream.isOpen = false;
        this.#options.onTrouble(users, error);
      }
      await sleep(AGAIN_AFTER_MS * (0.5 + Math.random()), undefined, { signal, ref: false }).catch(() => {});
    }
  }
}
