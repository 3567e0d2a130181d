import { type Credentials, tokenSource } from './authentication.ts';
import { Session } from './session.ts';
import { Transport, type TransportOptions } from './transport.ts';

/** Which KMS, who asks, and how patiently. */
export interface KmsOptions extends TransportOptions {
  /**
   * A token, or a machine identity's `clientId` and `clientSecret` (Universal Auth: login and renewal are then done here).
   * @default - none: only the calls that need no token work
   */
  readonly credentials?: Credentials;
}

/** What every call goes through. */
export function openSession({ credentials, ...options }: KmsOptions): Session {
  const transport = new Transport(options);
  return new Session(transport, credentials && tokenSource(credentials, transport));
}
