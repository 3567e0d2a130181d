import type { z } from 'zod';
import { CommandLineTokenAnswer } from '../contracts/command-line.ts';
import { Message } from '../contracts/http.ts';
import {
  MfaAnswer,
  MyOrganizationsAnswer,
  PasswordLoginAnswer,
  SelectOrganizationAnswer,
  SessionsAnswer,
} from '../contracts/people.ts';
import type { Session } from './session.ts';

/** Logins of people: who they are, then the organization, then the second factor (docs/people.md). */
export class People {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  /** The first step. Needs no token; the one that it answers reaches the account alone. @throws Unauthorized */
  async logIn(email: string, password: string): Promise<string> {
    const body = { email, password };
    const call = { method: 'POST', path: '/api/v3/auth/login', body, answer: PasswordLoginAnswer } as const;
    return (await this.#session.open(call)).accessToken;
  }

  /** Organizations of the caller. */
  async organizations(): Promise<z.infer<typeof MyOrganizationsAnswer>['organizations']> {
    const path = '/api/v2/users/me/organizations';
    return (await this.#session.call({ method: 'GET', path, answer: MyOrganizationsAnswer })).organizations;
  }

  /** The second step: a token for the organization, or one that is good for `verify` alone (`isMfaEnabled`). */
  async enter(organizationId: string): Promise<z.infer<typeof SelectOrganizationAnswer>> {
    const path = '/api/v3/auth/select-organization';
    return this.#session.call({ method: 'POST', path, body: { organizationId }, answer: SelectOrganizationAnswer });
  }

  /** The third step, where there is a second factor: the code that the authenticator shows, or a recovery code. */
  async verify(code: string): Promise<string> {
    const body = { mfaToken: code, mfaMethod: 'totp' };
    return (await this.#session.call({ method: 'POST', path: '/api/v2/auth/mfa/verify', body, answer: MfaAnswer }))
      .token;
  }

  /** Exchanges the code that a browser handed to a command line. @throws Unauthorized when it was used, or is another's */
  async redeem(code: string, verifier: string): Promise<z.infer<typeof CommandLineTokenAnswer>> {
    const path = '/api/v1/auth/command-line/token';
    return this.#session.open({ method: 'POST', path, body: { code, verifier }, answer: CommandLineTokenAnswer });
  }

  /** Ends the session of the cookie that `fetch` sends along. */
  async logOutByCookie(): Promise<void> {
    await this.#session.open({ method: 'POST', path: '/api/v1/auth/logout', answer: Message });
  }

  /** Ends the session that the caller's token is of. */
  async logOut(): Promise<void> {
    const path = '/api/v2/users/me/sessions';
    const sessions = await this.#session.call({ method: 'GET', path, answer: SessionsAnswer });
    const own = sessions.find(({ isCurrent }) => isCurrent);
    if (own) await this.#session.call({ method: 'DELETE', path: `${path}/${own.id}`, answer: Message });
  }
}
