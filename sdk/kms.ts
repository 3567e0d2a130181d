import type { FolderAddress } from './address.ts';
import { Admin } from './admin.ts';
import { Audit } from './audit.ts';
import { Events } from './events.ts';
import { History } from './history.ts';
import { Identities } from './identities.ts';
import type { Look } from './look.ts';
import { type KmsOptions, openSession } from './open.ts';
import { Organizations } from './organizations.ts';
import { People } from './people.ts';
import { Projects } from './projects.ts';
import { Secrets } from './secrets.ts';
import type { Session } from './session.ts';
import { type WatchOptions, watchLooks } from './watch.ts';

/**
 * A client of one KMS, for any place that has `fetch`: Node, browsers, edge workers.
 *
 * @example
 * const kms = new Kms({ url: 'https://kms.hanzo.ai', credentials: { clientId, clientSecret } });
 * const secrets = await kms.secrets.list({ projectSlug: 'gateway', environment: 'prod' });
 */
export class Kms {
  /** The instance: its status, and its first run. */
  readonly admin: Admin;
  /** Organizations and their people. */
  readonly organizations: Organizations;
  /** Projects with their environments and folders. */
  readonly projects: Projects;
  /** Machine identities, how they log in, and their projects. */
  readonly identities: Identities;
  /** Secrets: what a service reads. */
  readonly secrets: Secrets;
  /** Notices of changes, as a stream. */
  readonly events: Events;

  /** The audit: who did what, and when. */
  readonly audit: Audit;
  /** Earlier versions, and the way back. */
  readonly history: History;
  /** Logins of people. */
  readonly people: People;
  readonly #session: Session;

  constructor(options: KmsOptions) {
    const session = openSession(options);
    this.#session = session;
    this.admin = new Admin(session);
    this.organizations = new Organizations(session);
    this.projects = new Projects(session);
    this.identities = new Identities(session);
    this.secrets = new Secrets(session);
    this.events = new Events(session);
    this.audit = new Audit(session);
    this.history = new History(session);
    this.people = new People(session);
  }

  /**
   * A folder as it is, and again whenever it has changed: told by the server, and looked at every half minute besides.
   *
   * @example
   * for await (const { secrets } of kms.watch({ projectSlug: 'gateway', environment: 'prod' }, { signal })) reload(secrets);
   */
  watch(at: FolderAddress, options: WatchOptions = {}): AsyncGenerator<Look, void, undefined> {
    return watchLooks(this.#session, at, options);
  }

  /** Logs in now, where the first call would. @throws Unauthorized when the credentials are not taken */
  async logIn(signal?: AbortSignal): Promise<void> {
    await this.#session.logIn(signal);
  }

  /** Machine identity that the present token is of, as the token says itself; undefined before a login, and for people. */
  get identityId(): string | undefined {
    return this.#session.identityId;
  }
}
