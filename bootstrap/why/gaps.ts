import type { WhyReport } from '../../contracts/why.ts';
import { KubernetesError } from '../../operator/kubernetes/errors.ts';
import { SyncProblem } from '../../operator/sync/problem.ts';
import { Forbidden, KmsRefusal, NotFound, Unauthorized } from '../../sdk/index.ts';

/** What cannot be told to this caller: named, where leaving it out would look as if there were nothing. */
export class Gaps {
  readonly #found = new Map<string, { readonly part: string; readonly why: string }>();

  /**
   * A part of the answer; undefined when it is refused, which is noted.
   *
   * @throws whatever is no refusal of this one question: nobody there, credentials that are not taken
   */
  async ask<Part>(part: string, ask: () => Promise<Part>): Promise<Part | undefined> {
    try {
      return await ask();
    } catch (error) {
      const why = refusalIn(error);
      if (why === undefined) throw error;
      this.note(part, why);
      return undefined;
    }
  }

  note(part: string, why: string): void {
    this.#found.set(`${part} ${why}`, { part, why });
  }

  get all(): WhyReport['missing'] {
    return [...this.#found.values()];
  }
}

function refusalIn(error: unknown): string | undefined {
  if (error instanceof Forbidden) return `not permitted for you: ${error.message}; ask an admin of the project`;
  if (error instanceof NotFound) return `not there, or not for you: ${error.message}`;
  if (error instanceof KmsRefusal && !(error instanceof Unauthorized) && error.status < 500) return error.message;
  if (error instanceof SyncProblem) return error.message;
  if (error instanceof KubernetesError && error.status === 403)
    return `not permitted for you: ${error.message}; ask an admin of the cluster`;
  if (error instanceof KubernetesError && error.isNotFound) return error.message;
  return undefined;
}
