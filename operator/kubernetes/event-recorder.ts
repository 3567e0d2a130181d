import { hash, randomBytes } from 'node:crypto';
import { plainText } from '../plain-text.ts';
import type { KubernetesApi } from './api.ts';
import { Events, type KubernetesObject } from './resources.ts';

export type EventType = 'Normal' | 'Warning';

/** Kubernetes cuts longer notes. */
const MAX_NOTE = 1024;
/** The same thing said again within this time is not said: events are kept for an hour, and etcd pays for each. */
const SILENCE_MS = 10 * 60_000;
const MOST_REMEMBERED = 10_000;

/** Says what happened to an object, where `kubectl describe` shows it. Never holds a value of a secret. */
export class EventRecorder {
  readonly #api: KubernetesApi;
  readonly #instance: string;
  readonly #said = new Map<string, number>();
  readonly #onTrouble: (error: unknown) => void;

  /** @param instance such as the pod's name */
  constructor(api: KubernetesApi, instance: string, onTrouble: (error: unknown) => void) {
    this.#api = api;
    this.#instance = instance;
    this.#onTrouble = onTrouble;
  }

  /**
   * @param reason one word in CamelCase, for machines
   * @param action what was being done, in CamelCase
   * @param note for people, at most 1,024 characters
   */
  async record(
    about: KubernetesObject,
    event: { readonly type: EventType; readonly reason: string; readonly action: string; readonly note: string },
  ): Promise<void> {
    const { name, namespace, uid, resourceVersion } = about.metadata;
    const note = plainText(event.note, MAX_NOTE);
    if (!this.#isNew(hash('sha256', `${uid} ${event.type} ${event.reason} ${note}`, 'base64'))) return;
    const regarding = { apiVersion: about.apiVersion, kind: about.kind, name, namespace, uid, resourceVersion };
    try {
      await this.#api.create(Events, namespace, {
        metadata: { name: `${name.slice(0, 200)}.${randomBytes(8).toString('hex')}`, namespace },
        ...event,
        note,
        regarding,
        eventTime: this.#api.now().toISOString().replace('Z', '000Z'),
        reportingController: 'secrets.lux.network/kms-operator',
        reportingInstance: this.#instance.slice(0, 128),
      } as KubernetesObject);
    } catch (error) {
      // An event that is lost must not stop a sync.
      this.#onTrouble(error);
    }
  }

  #isNew(what: string): boolean {
    const now = performance.now();
    const last = this.#said.get(what);
    if (last !== undefined && now - last < SILENCE_MS) return false;
    this.#said.delete(what);
    this.#said.set(what, now);
    const [oldest] = this.#said.keys();
    if (this.#said.size > MOST_REMEMBERED && oldest !== undefined) this.#said.delete(oldest);
    return true;
  }
}
