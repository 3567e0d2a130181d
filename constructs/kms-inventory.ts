import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { canonicalEnvironment, Inventory } from '../contracts/index.ts';

/**
 * The inventory as the constructs use it: a project or an environment that is not in it fails at synth, with the names that there
 * are, and not in the cluster.
 *
 * @example
 * const inventory = KmsInventory.fromFile('kms.yaml');
 * new KmsSecret(chart, 'gateway', { inventory });
 */
export class KmsInventory {
  /** @throws Error in one line when the file is missing or is no inventory */
  static fromFile(file: string | URL): KmsInventory {
    let text: string;
    try {
      text = readFileSync(file, 'utf8');
    } catch (error) {
      throw new Error(`the inventory ${String(file)} cannot be read: ${(error as Error).message}`);
    }
    const parsed = Inventory.safeParse(parse(text));
    if (parsed.success) return new KmsInventory(parsed.data);
    const [first] = parsed.error.issues;
    throw new Error(
      `${String(file)} is no inventory: ${first?.path.join('.')}: ${first?.message}; kms-bootstrap validate tells all`,
    );
  }

  /** By slug of a project, its environments. Two organizations may have one of the same slug. */
  readonly #environments = new Map<string, Set<string>>();

  private constructor({ organizations }: Inventory) {
    for (const { projects } of organizations) {
      for (const { slug, environments } of projects) {
        const known = this.#environments.get(slug) ?? new Set<string>();
        for (const environment of environments) known.add(canonicalEnvironment(environment.slug));
        this.#environments.set(slug, known);
      }
    }
  }

  /** What is wrong with an address, a line a problem. */
  problemsOf(projectSlug: string, envSlug: string): string[] {
    const environments = this.#environments.get(projectSlug);
    if (!environments) {
      return [
        `projectSlug: the inventory has no project ${projectSlug}; it has ${[...this.#environments.keys()].join(', ')}`,
      ];
    }
    if (environments.has(canonicalEnvironment(envSlug))) return [];
    return [`envSlug: ${projectSlug} has no environment ${envSlug}; it has ${[...environments].join(', ')}`];
  }
}
