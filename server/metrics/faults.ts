import type { FastifyRequest } from 'fastify';
import { isBrokenSeal } from '../../keys/index.ts';
import type { Refusal } from '../refusal.ts';
import { Tally } from './tally.ts';

/** What the error handler turned down or met, by kind; it alone sees all of it. */
export class Faults {
  readonly refusals = new Tally();
  /** Stored values, and keys, that did not open: altered, moved, or of another key. Anything above 0 wants a person. */
  seals = 0;
  /** Told of each of those. */
  onBrokenSeal: (cause: Error, request: FastifyRequest) => void = () => undefined;

  note(refusal: Refusal, request: FastifyRequest): void {
    this.refusals.add(refusal.kind);
    if (isBrokenSeal(refusal.cause)) {
      this.seals++;
      this.onBrokenSeal(refusal.cause, request);
    }
  }
}
