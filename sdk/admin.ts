import type { z } from 'zod';
import { AccessToken } from '../contracts/access-tokens.ts';
import { AdminConfigAnswer, BootstrapAnswer, PROOF_HEADER, Status } from '../contracts/admin.ts';
import { Message } from '../contracts/http.ts';
import type { Session } from './session.ts';

/** Proves that the caller knows kms-secrets, for one request (the header `x-kms-proof`). */
export type Prove = (request: { method: string; path: string; body: string }) => string;

/** The instance itself: its status and its first run. None of these calls needs a token. */
export class Admin {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  /** Whether the server can serve, and what it depends on. @throws Unavailable while it cannot; `details` tell why */
  async status(): Promise<z.infer<typeof Status>> {
    return this.#session.open({ method: 'GET', path: '/api/status', answer: Status });
  }

  /** Whether somebody already owns the instance. */
  async initialized(): Promise<boolean> {
    const call = { method: 'GET', path: '/api/v1/admin/config', answer: AdminConfigAnswer } as const;
    return (await this.#session.open(call)).config.initialized;
  }

  /**
   * The first run. `credential` is a client secret that the caller has made and stored: the same call with the same
   * credential can be repeated until an answer arrives, and gives the same ids.
   */
  async bootstrap(
    body: { email: string; organization: string; organizationSlug: string; credential: string },
    prove: Prove,
  ): Promise<z.infer<typeof BootstrapAnswer>> {
    const path = '/api/v1/admin/bootstrap';
    return this.#session.open({
      method: 'POST',
      path,
      body,
      answer: BootstrapAnswer,
      idempotent: true,
      sign: signed(prove),
    });
  }

  /** The way back in for a named instance admin, for whoever holds kms-secrets; the audit records it. */
  async recoverySession(email: string, prove: Prove): Promise<AccessToken> {
    const path = '/api/v1/admin/recovery-session';
    const call = {
      method: 'POST',
      path,
      body: { email },
      answer: AccessToken,
      idempotent: true,
      sign: signed(prove),
    } as const;
    return this.#session.open(call);
  }

  /** Ends an access token, of whomever: whoever has it may. One that has ended already is nothing to do. */
  async endToken(accessToken: string): Promise<void> {
    const path = '/api/v1/auth/token/revoke';
    await this.#session.open({ method: 'POST', path, body: { accessToken }, answer: Message, idempotent: true });
  }
}

const signed = (prove: Prove) => (request: { method: string; path: string; body: string }) => ({
  [PROOF_HEADER]: prove(request),
});
