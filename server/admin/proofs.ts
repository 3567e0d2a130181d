import { type AuthSecret, checkProof, type ProvenRequest } from '../../keys/index.ts';
import type { Audit } from '../audit/audit.ts';
import type { Db } from '../database/database.ts';
import { forbidden } from '../refusal.ts';
import { takeProof } from './store.ts';

const PROOF_MAX_AGE_SECONDS = 300;

/** Asks strangers to prove that they know kms-secrets, with a proof that holds for one request, once. */
export class Proofs {
  readonly #db: Db;
  readonly #audit: Audit;
  readonly #authSecrets: readonly AuthSecret[];

  /** @param options.authSecrets the newest first; a proof by a former one holds too */
  constructor(options: { db: Db; audit: Audit; authSecrets: readonly AuthSecret[] }) {
    this.#db = options.db;
    this.#audit = options.audit;
    this.#authSecrets = options.authSecrets;
  }

  /** @throws Refusal 403 when there is no proof, unless it is `optional`, or one that does not hold */
  async demand(proof: string | undefined, request: ProvenRequest, { optional }: { optional: boolean }): Promise<void> {
    if (proof === undefined) {
      if (optional) return;
      this.#audit.refusedStranger('proof-missing');
      throw forbidden(
        'this call must prove that it knows kms-secrets; use kms-bootstrap, which sends the header x-kms-proof',
      );
    }
    const age = { now: new Date(), maxAgeSeconds: PROOF_MAX_AGE_SECONDS };
    const results = this.#authSecrets.map((secret) => checkProof(secret, proof, request, age));
    const result = results.find((each) => each.ok || each.reason !== 'mac') ?? results[0]!;
    if (!result.ok) {
      this.#audit.refusedStranger(`proof-${result.reason}`);
      const hint =
        result.reason === 'old' || result.reason === 'future'
          ? 'it was made more than 5 minutes away from the clock of this server; set the clocks'
          : 'it was made with another AUTH_SECRET, or for another request';
      throw forbidden(`the proof of kms-secrets does not hold: ${hint}`);
    }
    if (!(await takeProof(this.#db, result.nonce))) {
      this.#audit.refusedStranger('proof-replayed');
      throw forbidden('this proof of kms-secrets was used before; make a new one for each call');
    }
  }
}
