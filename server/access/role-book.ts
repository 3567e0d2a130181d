import type { Rule } from '../../contracts/index.ts';
import type { Db, Statement } from '../database/database.ts';
import { compileAll, type Rights, type RoleDefinition, revisionsIn, rightsOf } from './permissions.ts';
import type { Verdict } from './store.ts';

const AT_MOST = 10_000;

const LOAD: Statement = {
  name: 'access.load-roles',
  text: 'select revision, slug, permissions from project_roles where revision = any($1::uuid[])',
};

/**
 * The custom roles that this process has read, by their revision. A verdict names revisions, and a revision is of one
 * wording for ever, so nothing here can be out of date; what an edit left behind is merely never asked for again.
 */
export class RoleBook {
  readonly #roles = new Map<string, RoleDefinition>();

  /** What grants mean; costs a statement only where they name a role that was not read yet. Nothing when one was edited meanwhile. */
  async read(db: Db, grants: string): Promise<Rights | undefined> {
    const known = this.known(grants);
    if (known) return known;
    const missing = revisionsIn(grants).filter((revision) => !this.#roles.has(revision));
    const rows = await db.query<{ revision: string; slug: string; permissions: Rule[] }>(LOAD, [missing]);
    if (this.#roles.size + rows.length > AT_MOST) this.#roles.clear();
    for (const { revision, slug, permissions } of rows) {
      this.#roles.set(revision, { slug, rules: compileAll(permissions) });
    }
    return this.known(grants);
  }

  /** What a verdict's grants mean. A served answer was allowed already, so that nothing is read for it. */
  async of(db: Db, { grants, served }: Verdict): Promise<Rights | undefined> {
    return this.known(grants) ?? (served ? this.known('') : this.read(db, grants));
  }

  /** As `read`, from what is in memory. */
  known(grants: string): Rights | undefined {
    return rightsOf(grants, (revision) => this.#roles.get(revision));
  }
}
