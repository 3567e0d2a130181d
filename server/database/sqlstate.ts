/**
 * Database errors are told apart by SQLSTATE, never by their text (PostgreSQL, Appendix A). The system's EPIPE, of a
 * connection that broke, has five letters as well; no class of SQLSTATE begins with an E.
 */
export function sqlState(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' && /^(?!E)[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

/** Something like it is there already. */
export const UNIQUE_VIOLATION = '23505';
/** What it belongs to is gone. */
export const FOREIGN_KEY_VIOLATION = '23503';
/** The row breaks a rule of its table. */
export const CHECK_VIOLATION = '23514';

/** A lock was waited for as long as allowed. */
export const LOCK_NOT_AVAILABLE = '55P03';

/** Two transactions met; running the same one again is right. */
export function isTransient(error: unknown): boolean {
  const state = sqlState(error);
  return state === '40001' || state === '40P01';
}

/**
 * Whether the database itself is out of reach or unable: no connection (28, 3D and 55000 are how it turns one down),
 * shutting down, out of disk, memory or time. A fault of the moment and not of the request, so it must neither be blamed
 * on a caller nor searched for in a group.
 */
export function isOutage(error: unknown): boolean {
  const state = sqlState(error);
  if (state === undefined) return true;
  return /^(08|28|3D|53|57|58|XX)/.test(state) || ['25006', '55000', LOCK_NOT_AVAILABLE].includes(state);
}
