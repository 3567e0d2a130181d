import { Refusal } from '../refusal.ts';

/** A 429 that says how long to wait. */
export const tooMany = (message: string, retryAfterSeconds: number) =>
  new Refusal('rateLimited', message, { details: { retryAfterSeconds } });
