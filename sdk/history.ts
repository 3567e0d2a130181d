import { SecretVersion, SecretVersionsAnswer } from '../contracts/history.ts';
import type { Session } from './session.ts';

/** Earlier versions of secrets, and the way back. */
export class History {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  /** Versions of a secret, the latest first. @throws Forbidden for whoever may not read the history */
  async versions(secretId: string, page: { offset?: number; limit?: number } = {}): Promise<SecretVersion[]> {
    const path = `/api/v1/secret/${secretId}/secret-versions`;
    const call = { method: 'GET', path, query: page, answer: SecretVersionsAnswer } as const;
    return (await this.#session.call(call)).secretVersions;
  }

  /** Makes an earlier version the next one. */
  async rollback(secretId: string, version: number): Promise<SecretVersion> {
    const path = `/api/v1/secret/${secretId}/rollback`;
    return this.#session.call({ method: 'POST', path, body: { version }, answer: SecretVersion });
  }
}
