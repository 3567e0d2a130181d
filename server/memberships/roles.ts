import { projectRoles, type RoleGrant } from '../../contracts/index.ts';
import type { Change } from '../access/granting.ts';
import { compileAll, limited, rulesOfRole } from '../access/permissions.ts';
import type { CompiledRule } from '../access/rules.ts';
import type { Db } from '../database/database.ts';
import { environmentSlugs } from '../environments/store.ts';
import { invalid } from '../refusal.ts';
import { findRolesBySlug, type RoleRow } from '../roles/store.ts';
import type { HeldRow, RoleWrite } from './store.ts';

const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 } as const;

/** Roles as a request gives them, read against the project: what is to be written, and what it would give. */
export interface GivenRoles {
  readonly writes: readonly RoleWrite[];
  readonly gives: Pick<Change, 'after' | 'passing'>;
}

/** A mistyped role or environment would silently give nothing; it is refused by name instead. */
export async function readRoles(tx: Db, projectId: string, given: readonly RoleGrant[]): Promise<GivenRoles> {
  const known = await environmentSlugs(tx, projectId);
  const custom = await findRolesBySlug(
    tx,
    projectId,
    given.map(({ role }) => role),
  );
  const read = given.map((grant, n) => readRole(grant, n, known, custom));
  const rulesWhere = (temporary: boolean) =>
    read
      .filter(({ write }) => (write.temporary !== null) === temporary)
      .map(({ write, rules }) => limited(compileAll(rules), write.environments));
  return {
    writes: read.map(({ write }) => write),
    gives: { after: rulesWhere(false).flat(), passing: rulesWhere(true) },
  };
}

function readRole(grant: RoleGrant, n: number, known: readonly string[], custom: readonly RoleRow[]) {
  const { role, environments, isTemporary, temporaryRange, temporaryAccessStartTime } = grant;
  const own = custom.find(({ slug }) => slug === role);
  const builtIn = builtInRules(role);
  if (!own && !builtIn) throw invalid(['roles', n, 'role'], `role "${role}" not found in this project`);
  for (const environment of environments ?? []) {
    if (!known.includes(environment)) {
      throw invalid(
        ['roles', n, 'environments'],
        `environment "${environment}" not found in this project: it has ${known.join(', ') || 'none'}`,
      );
    }
  }
  if (isTemporary && temporaryRange === undefined)
    throw invalid(['roles', n, 'temporaryRange'], 'a temporary role needs a temporaryRange such as 1h');
  const write: RoleWrite = {
    role: builtIn ? role : 'custom',
    customRoleId: builtIn ? null : own!.id,
    writtenAs: builtIn ? grant.writtenAs : undefined,
    environments: environments ? [...new Set(environments)].sort() : null,
    temporary:
      isTemporary && temporaryRange !== undefined
        ? { range: temporaryRange, start: temporaryAccessStartTime ?? null, seconds: toSeconds(temporaryRange) }
        : null,
  };
  return { write, rules: builtIn ?? own!.permissions };
}

function builtInRules(role: string) {
  return Object.hasOwn(projectRoles, role) ? projectRoles[role as keyof typeof projectRoles] : undefined;
}

/** What the roles of a membership say together. */
export function rulesOf(held: readonly HeldRow[]): CompiledRule[] {
  return held.flatMap(({ role, environments, permissions }) => rulesOfRole(role, permissions, environments));
}

export function toSeconds(range: string): number {
  return Number(range.slice(0, -1)) * SECONDS[range.at(-1) as keyof typeof SECONDS];
}
