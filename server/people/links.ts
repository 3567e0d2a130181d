import { randomBytes } from 'node:crypto';
import { macFor } from '../../keys/index.ts';
import type { Db } from '../database/database.ts';
import type { Keyring } from '../keyring/keyring.ts';
import { findLink, type LinkRow, putLink } from './links-store.ts';

const TOKEN_BYTES = 32;

/** Which page of the site a link of each purpose leads to, as Infisical's do. */
const PAGES = { invitation: '/signupinvite', 'password-reset': '/password-reset' } as const;

export interface LinkFor {
  readonly userId: string;
  readonly email: string;
  readonly purpose: LinkRow['purpose'];
  readonly organizationId: string | null;
  readonly createdBy: string;
  readonly alsoSecondFactor?: boolean;
  readonly ttlSeconds: number;
}

/** Links that work once: 256 random bits each, of which the database holds a MAC, and which nothing else ever sees. */
export class Links {
  readonly #keyring: Keyring;
  readonly #siteUrl: string;

  constructor(options: { keyring: Keyring; siteUrl: string | undefined }) {
    this.#keyring = options.keyring;
    this.#siteUrl = (options.siteUrl ?? '').replace(/\/+$/, '');
  }

  /** Makes a link. It is answered to whoever made it, this once: this server sends no mail. */
  async make(tx: Db, given: LinkFor): Promise<{ link: string; expiresAt: Date }> {
    const { email, purpose, organizationId } = given;
    const token = randomBytes(TOKEN_BYTES).toString('base64url');
    const row = await putLink(tx, { alsoSecondFactor: false, ...given, mac: this.#macOf(token, purpose) });
    const query = new URLSearchParams({ token, to: email });
    if (organizationId !== null) query.set('organization_id', organizationId);
    return { link: `${this.#siteUrl}${PAGES[purpose]}?${query}`, expiresAt: row.expiresAt };
  }

  /** What a link's token stands for, while it lives. */
  find(db: Db, token: string, purpose: LinkRow['purpose']): Promise<LinkRow | undefined> {
    return findLink(db, this.#macOf(token, purpose), purpose);
  }

  #macOf(token: string, purpose: string): Buffer {
    return macFor(this.#keyring.clientSecretMacKey, 'one-time-link', purpose, token);
  }
}
