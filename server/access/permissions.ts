import { type Action, type ProjectSubject, projectRoles, projectSubjects, type Rule } from '../../contracts/index.ts';
import { apart, type CompiledRule, compile, covers, holds, type Place, parts, type Told, within } from './rules.ts';

export type { Place } from './rules.ts';

/** A right that a request needs, and where. */
export interface Need extends Place {
  readonly action: Action;
  readonly subject: ProjectSubject;
}

/**
 * What a caller holds in a project: the rules of all its roles together. An action is allowed where one rule allows it and
 * none forbids it.
 */
export interface Rights {
  /**
   * Whether the action is allowed at a place. This is the question to ask; it is exact for what the place names, and where
   * it names less, it is on the safe side of what the answer is used for:
   *
   * - **With a `key`** (`{ environment, path, key }`, and `tags` where the secret has any): allowed for this very secret.
   *   Lists ask this of each row, changes of each secret that they touch. A part that is left out counts as unknown, and
   *   what is unknown is refused.
   * - **Without a `key`, reading** (`read`, `readValue`, `describeSecret`, `subscribe`): allowed *somewhere* within what is
   *   named. It is the early refusal of a list; each row has then to be asked for itself. Of a recursive list, ask without
   *   the path: rights may begin in a folder below.
   * - **Without a `key`, changing** (and `read` of `audit-logs`): allowed *everywhere* within what is named. A change that
   *   names only its environment is thereby refused to those who may change a part of it.
   *
   * Of `secrets`, `read` is `describeSecret` (that it is there, its comment, its tags) and `readValue` together. A list
   * shows what `describeSecret` allows, and of it the values that `readValue` allows; the others are hidden.
   */
  may(action: Action, subject: ProjectSubject, at?: Place): boolean;
  /** Whether the action is allowed at every place within what is named: rows of it need not be asked one by one. */
  everywhere(action: Action, subject: ProjectSubject, at?: Place): boolean;
  /** Whether there may be a place, within what is named, where the action is allowed. */
  somewhere(action: Action, subject: ProjectSubject, at?: Place): boolean;
  /** As `may`, with the rules that decide. */
  decide(action: string, subject: string, at?: Place): Decision;
  /** The first rule of `rules` that would allow what is not provably held. See `Grants.beyond`. */
  beyond(rules: readonly CompiledRule[]): CompiledRule | undefined;
  /** The roles with their environments, for people: `viewer@prod,ci@*`. */
  readonly roles: string;
}

/** A rule that took part in a decision, and the role that it is of. */
interface Deciding {
  readonly role: string;
  readonly rule: Rule;
}

interface Decision {
  readonly allowed: boolean;
  readonly allowedBy: readonly Deciding[];
  readonly forbiddenBy: readonly Deciding[];
}

/** A role that somebody holds somewhere, ready to be asked. */
export interface Grant {
  /** Role and environments, as people read it. */
  readonly role: string;
  readonly rules: readonly CompiledRule[];
}

const ORGANIZATION_ADMIN = 'organization-admin@*';
const FULL: ReadonlySet<string> = new Set([ORGANIZATION_ADMIN, 'admin@*']);

const ready: ReadonlyMap<string, readonly CompiledRule[]> = new Map(
  Object.entries({ ...projectRoles, 'organization-admin': projectRoles.admin }).map(([role, rules]) => [
    role,
    compileAll(rules),
  ]),
);

/** Rules, ready to be asked, without those that allow under a condition that nobody here knows. */
export function compileAll(rules: readonly Rule[]): CompiledRule[] {
  return rules.map(compile).filter((rule) => rule !== undefined);
}

/** A custom role of a project, ready to be asked. */
export interface RoleDefinition {
  readonly slug: string;
  readonly rules: readonly CompiledRule[];
}

const CUSTOM = 'custom:';

/** The revisions of custom roles that grants name. */
export function revisionsIn(grants: string): string[] {
  return grants
    .split(',')
    .filter((text) => text.startsWith(CUSTOM))
    .map((text) => text.slice(CUSTOM.length).split('@')[0]!);
}

const parsed = new Map<string, Rights>();
const PARSED_AT_MOST = 10_000;

/**
 * Reads `viewer@prod,custom:<revision>@*`. The same few texts come again and again, so what they mean is kept.
 *
 * @returns nothing when `findRole` does not know a custom role of them
 */
export function rightsOf(
  grants: string,
  findRole: (revision: string) => RoleDefinition | undefined = () => undefined,
): Rights | undefined {
  const known = parsed.get(grants);
  if (known) return known;
  const texts = grants === '' ? [] : grants.split(',');
  // An admin of the organization holds every right, also where a role of its own would forbid something: else whoever may
  // give roles in a project could lock out those who answer for it.
  const made = (texts.includes(ORGANIZATION_ADMIN) ? [ORGANIZATION_ADMIN] : texts).map((text) =>
    parseGrant(text, findRole),
  );
  if (!made.every((grant) => grant !== undefined)) return undefined;
  const rights = new Grants(made);
  if (parsed.size >= PARSED_AT_MOST) parsed.clear();
  parsed.set(grants, rights);
  return rights;
}

function parseGrant(text: string, findRole: (revision: string) => RoleDefinition | undefined): Grant | undefined {
  const [role, environments] = text.split('@') as [string, string];
  const custom = role.startsWith(CUSTOM) ? findRole(role.slice(CUSTOM.length)) : undefined;
  if (role.startsWith(CUSTOM) && custom === undefined) return undefined;
  // A role that this version does not know gives nothing: deny by default, also while versions run side by side.
  const rules = custom?.rules ?? ready.get(role) ?? [];
  return { role: `${custom?.slug ?? role}@${environments}`, rules: limited(rules, environmentsOf(environments)) };
}

const environmentsOf = (text: string) => (text === '*' ? null : text.split('+'));

/** The rules of a role in a membership that is limited to some environments; null is no limit. */
export function limited(rules: readonly CompiledRule[], environments: readonly string[] | null): CompiledRule[] {
  const limit = environments === null ? undefined : new Set(environments);
  return rules.map((rule) => within(rule, limit));
}

/**
 * Rights of roles that were found in another way than by a verdict.
 *
 * @param subjects what the rights are about. @default what there is in a project
 */
export const rightsFrom = (grants: readonly Grant[], subjects?: Readonly<Record<string, unknown>>): Rights =>
  new Grants(grants, subjects);

/** What a role says in a membership: a custom one by its permissions, a built-in one by its slug. */
export function rulesOfRole(
  role: string,
  permissions: readonly Rule[] | null,
  environments: readonly string[] | null,
): CompiledRule[] {
  return limited(permissions === null ? (ready.get(role) ?? []) : compileAll(permissions), environments);
}

const READING: ReadonlySet<string> = new Set(['read', 'readValue', 'describeSecret', 'subscribe']);

/** Which questions about a place that leaves something open are answered by "somewhere". */
function asksSomewhere(action: string, subject: string, at: Place): boolean {
  // The audit tells the key names of every environment, so whoever is limited to some has to name one of them.
  return at.key === undefined && READING.has(action) && subject !== 'audit-logs';
}

/** What `may` answers of a place: about this very secret, or whether it is so somewhere, or everywhere, within. */
export function meaningOf(action: string, subject: string, at: Place): 'here' | 'somewhere' | 'everywhere' {
  if (at.key !== undefined) return 'here';
  return asksSomewhere(action, subject, at) ? 'somewhere' : 'everywhere';
}

class Grants implements Rights {
  readonly roles: string;
  readonly #rules: readonly { readonly role: string; readonly rule: CompiledRule }[];
  readonly #full: boolean;
  readonly #subjects: Readonly<Record<string, unknown>>;

  constructor(grants: readonly Grant[], subjects: Readonly<Record<string, unknown>> = projectSubjects) {
    this.#subjects = subjects;
    this.roles = grants.map(({ role }) => role).join(',');
    this.#full = grants.some(({ role }) => FULL.has(role));
    this.#rules = grants.flatMap(({ role, rules }) => rules.map((rule) => ({ role, rule })));
  }

  may(action: string, subject: string, at: Place = {}): boolean {
    return asksSomewhere(action, subject, at)
      ? this.somewhere(action, subject, at)
      : this.everywhere(action, subject, at);
  }

  everywhere(action: string, subject: string, at: Place = {}): boolean {
    return parts(action, subject).every((part) => this.#allows(part, subject, at, { allow: ['yes'], forbid: NOT_NO }));
  }

  somewhere(action: string, subject: string, at: Place = {}): boolean {
    return parts(action, subject).every((part) => this.#allows(part, subject, at, { allow: NOT_NO, forbid: ['yes'] }));
  }

  #allows(
    part: string,
    subject: string,
    at: Place,
    enough: { allow: readonly Told[]; forbid: readonly Told[] },
  ): boolean {
    let allowed = false;
    for (const { rule } of this.#rules) {
      if (rule.subject !== subject || !rule.actions.has(part) || (allowed && !rule.inverted)) continue;
      const told = holds(rule, at);
      if (!rule.inverted) allowed = enough.allow.includes(told);
      else if (enough.forbid.includes(told)) return false;
    }
    return allowed;
  }

  decide(action: string, subject: string, at: Place = {}): Decision {
    const open = asksSomewhere(action, subject, at);
    const asked = parts(action, subject);
    const fitting = this.#rules.filter(({ rule }) => {
      if (rule.subject !== subject || !asked.some((part) => rule.actions.has(part))) return false;
      const told = holds(rule, at);
      return told === 'yes' || (told === 'maybe' && open !== rule.inverted);
    });
    const of = (inverted: boolean) =>
      fitting
        .filter(({ rule }) => rule.inverted === inverted)
        .map(({ role, rule }): Deciding => ({ role, rule: rule.written }));
    return { allowed: this.may(action, subject, at), allowedBy: of(false), forbiddenBy: of(true) };
  }

  /**
   * Sound, and not complete: for each rule that allows, one rule held has to reach all of it, and each rule held that
   * forbids has to be out of its way, or be among `rules` itself. Whatever cannot be shown so is beyond.
   */
  beyond(rules: readonly CompiledRule[]): CompiledRule | undefined {
    const forbidding = rules.filter(({ inverted }) => inverted);
    return rules.find((rule) => !rule.inverted && !this.#reaches(rule, forbidding));
  }

  #reaches(rule: CompiledRule, forbidding: readonly CompiledRule[]): boolean {
    // It gives nothing yet. What a later version makes of it is for those to give who hold everything.
    if (!Object.hasOwn(this.#subjects, rule.subject)) return this.#full;
    return [...rule.actions].every(
      (action) =>
        this.#rules.some(({ rule: held }) => !held.inverted && covers(held, rule, action)) &&
        this.#rules.every(
          ({ rule: held }) =>
            !held.inverted ||
            held.subject !== rule.subject ||
            !held.actions.has(action) ||
            apart(held, rule) ||
            forbidding.some((theirs) => covers(theirs, held, action)),
        ),
    );
  }
}

const NOT_NO: readonly Told[] = ['yes', 'maybe'];
