import { Admin } from './admin.ts';
import { type Credentials, tokenSource } from './authentication.ts';
import { Events } from './events.ts';
import { Identities } from './identities.ts';
import { Organizations } from './organizations.ts';
import { Projects } from './projects.ts';
import { Secrets } from './secrets.ts';
import { Session } from './session.ts';
import { Transport, type TransportOptions } from './transport.ts';

export interface KmsOptions extends TransportOptions {
  /**
   * A token, or a machine identity's `clientId` and `clientSecret` (Universal Auth: login and renewal are then done here).
   * @default - none: only the calls that need no token work
   */
  readonly credentials?: Credentials;
}

/**
 * A client of one KMS, for any place that has `fetch`: Node, browsers, edge workers.
 *
 * @example
 * const kms = new Kms({ url: 'https://kms.hanzo.ai', credentials: { clientId, clientSecret } });
 * const secrets = await kms.secrets.list({ projectSlug: 'gateway', environment: 'prod' });
 */
export class Kms {
  readonly admin: Admin;
  readonly organizations: Organizations;
  readonly projects: Projects;
  readonly identities: Identities;
  readonly secrets: Secrets;
  readonly events: Events;

  constructor({ credentials, ...options }: KmsOptions) {
    const transport = new Transport(options);
    const session = new Session(transport, credentials && tokenSource(credentials, transport));
    this.admin = new Admin(session);
    this.organizations = new Organizations(session);
    this.projects = new Projects(session);
    this.identities = new Identities(session);
    this.secrets = new Secrets(session);
    this.events = new Events(session);
  }
}
