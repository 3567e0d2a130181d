import type { Action, ExplainAnswer, ProjectSubject } from '../../contracts/index.ts';
import type { Database } from '../database/database.ts';
import { notFound } from '../refusal.ts';
import { showRules } from '../roles/show.ts';
import type { Access, Caller } from './access.ts';
import { findActor, type HeldRoleRow, heldRoles, type SubjectRow } from './explain-store.ts';
import { meaningOf, rightsFrom, rulesOfRole } from './permissions.ts';
import { showRule } from './refused.ts';
import type { Place } from './rules.ts';

export interface Question extends Place {
  readonly actorId?: string | undefined;
  readonly action: Action;
  readonly subject: ProjectSubject;
}

type Held = ExplainAnswer['roles'][number];

/** Answers "may X do Y on Z, and why", with the very rules that decide requests. */
export class Explain {
  readonly #db: Database;
  readonly #access: Access;

  constructor(options: { db: Database; access: Access }) {
    this.#db = options.db;
    this.#access = options.access;
  }

  /** About oneself to everybody of the project; about others to those who may change members. */
  async explain(caller: Caller, projectId: string, question: Question): Promise<ExplainAnswer> {
    const access = await this.#access.project(caller, { id: projectId });
    const { actorId = access.actor.id, action, subject, environment, path, key, tags } = question;
    if (actorId !== access.actor.id) {
      for (const about of ['member', 'identity', 'role'] as const) {
        await this.#access.need(access, { action: 'edit', subject: about });
      }
    }
    const actor = await findActor(this.#db, access.organization.id, actorId);
    if (!actor) throw notFound(`actor ${actorId} not found in this organization`);
    const answer = decide(actor, await heldRoles(this.#db, projectId, actorId), question, access.project.slug);
    const metadata = { about: actorId, action, subject, path, key, tags, allowed: answer.allowed };
    await this.#access.recordRead(access, { action: 'read', event: 'explain-access', environment, metadata });
    return answer;
  }
}

function decide(actor: SubjectRow, rows: readonly HeldRoleRow[], question: Question, project: string): ExplainAnswer {
  const { action, subject, environment = null, path = null, key = null, tags } = question;
  const runs = actor.organizationRole === 'admin';
  const held = [...(runs ? [ORGANIZATION_ADMIN] : []), ...rows];
  // As in every request: an admin of the organization is bound by no role, and who left it holds nothing.
  const counts = (row: HeldRoleRow) => actor.belongs && row.active && (!runs || row === ORGANIZATION_ADMIN);
  const deciding = held.filter(counts);
  const rights = rightsFrom(
    deciding.map((row, n) => ({ role: String(n), rules: rulesOfRole(row.role, row.permissions, row.environments) })),
  );
  const { allowed, allowedBy, forbiddenBy } = rights.decide(action, subject, question);
  const decidedBy = [
    ...forbiddenBy.map((by) => ({ ...by, effect: 'forbids' as const })),
    ...allowedBy.map((by) => ({ ...by, effect: 'allows' as const })),
  ].map(({ role, rule, effect }) => ({ effect, rule: showRules([rule])[0]!, ...show(deciding[Number(role)]!) }));
  const { id, kind, name, belongs } = actor;
  return {
    allowed,
    reason: belongs
      ? reasonOf(name, allowed, decidedBy, rows, project)
      : `${name} is no active member of the organization`,
    asked: {
      actor: { id, kind, name },
      action,
      subject,
      environment,
      path,
      key,
      tags: tags === undefined ? null : [...tags],
      meaning: meaningOf(action, subject, question),
    },
    decidedBy,
    roles: held.map(show),
  };
}

function reasonOf(
  name: string,
  allowed: boolean,
  decidedBy: ExplainAnswer['decidedBy'],
  rows: readonly HeldRoleRow[],
  project: string,
): string {
  const by = decidedBy.find(({ effect }) => effect === (allowed ? 'allows' : 'forbids'));
  if (by) return `a rule of role "${by.role}"${through(by)} ${by.effect} it: ${showRule(by.rule)}`;
  if (rows.length === 0) return `${name} has no role in project "${project}"`;
  return `no rule of the roles of ${name} in project "${project}" allows it`;
}

const through = ({ via }: Held) =>
  via.type === 'group' ? ` by group "${via.groupName}"` : via.type === 'organization' ? ' of the organization' : '';

const ORGANIZATION_ADMIN: HeldRoleRow = {
  role: 'admin',
  permissions: null,
  environments: null,
  active: true,
  startsAt: null,
  endsAt: null,
  membershipId: '',
  groupId: null,
  groupName: null,
  isPrivilege: false,
};

function show(row: HeldRoleRow): Held {
  const { role, environments, active, startsAt, endsAt, groupId, groupName } = row;
  const type = row === ORGANIZATION_ADMIN ? 'organization' : groupId === null ? 'membership' : 'group';
  return {
    role,
    environments,
    active,
    startsAt: startsAt?.toISOString() ?? null,
    endsAt: endsAt?.toISOString() ?? null,
    via: { type, membershipId: row.membershipId || null, groupId, groupName },
  };
}
