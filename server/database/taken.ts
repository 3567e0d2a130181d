import { conflict } from '../refusal.ts';
import { sqlState, UNIQUE_VIOLATION } from './sqlstate.ts';

/** Runs a write, and says `message` (409) when something of that name is there already. */
export async function takenAs<Result>(message: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (sqlState(error) === UNIQUE_VIOLATION) throw conflict(message);
    throw error;
  }
}
