import type { IncomingMessage } from 'node:http';
import type { Caller } from '../access/caller.ts';
import type { Standing } from '../limits/limits.ts';

/** What was done for a request before Fastify got it, and is not to be done, counted or asked twice. */
export interface Begun {
  readonly caller: Caller;
  /** What its caller has left of its limit, with this request taken from it. */
  readonly standing: Standing | undefined;
  /** What failed meanwhile, such as the database: the request is refused for it. */
  readonly fault?: Error | undefined;
}

const begun = new WeakMap<IncomingMessage, Begun>();

export const begin = (request: IncomingMessage, what: Begun): void => void begun.set(request, what);

/** What was begun for this request; undefined for nearly all. */
export const begunFor = (request: IncomingMessage): Begun | undefined => begun.get(request);
