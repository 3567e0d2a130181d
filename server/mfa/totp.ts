// Loaded with the first of its users: most servers have few or none.
const otplib = () => import('otplib');

/** RFC 6238 as every authenticator app has it: SHA-1, six digits, thirty seconds; one step of drift to either side. */
const DRIFT_SECONDS = 30;
const ISSUER = 'Hanzo KMS';

export const newSeed = async (): Promise<string> => (await otplib()).generateSecret();

/** What an authenticator app reads from a QR code. */
export const otpUrlOf = async (seed: string, email: string): Promise<string> =>
  (await otplib()).generateURI({ issuer: ISSUER, label: email, secret: seed });

/**
 * The time step of a right code, if it is newer than the last one that was used: a code that somebody saw being typed is
 * worth nothing any more.
 *
 * @param now Unix seconds, by the database's clock
 */
export async function stepOf(seed: string, code: string, now: number, lastStep: number): Promise<number | undefined> {
  if (!/^\d{6}$/.test(code)) return undefined;
  const result = await (await otplib()).verify({
    secret: seed,
    token: code,
    epoch: now,
    epochTolerance: DRIFT_SECONDS,
  });
  if (!result.valid || !('timeStep' in result)) return undefined;
  return result.timeStep > lastStep ? result.timeStep : undefined;
}
