/**
 * What the rules mean, written down a second time and as plainly as can be: every rule is looked at, every condition is
 * read where it stands, a glob is matched by trying all ways. Shares nothing with the engine.
 */

interface NaiveRule {
  readonly subject: string;
  readonly action: readonly string[];
  readonly conditions?: Readonly<Record<string, any>> | undefined;
  readonly inverted?: boolean | undefined;
}

/** A role in a membership; `environments` null is no limit. */
export interface NaiveRole {
  readonly rules: readonly NaiveRule[];
  readonly environments: readonly string[] | null;
}

export interface NaivePlace {
  readonly environment: string;
  readonly path: string;
  readonly key: string;
  readonly tags: readonly string[];
}

export function allowed(roles: readonly NaiveRole[], action: string, subject: string, at: NaivePlace): boolean {
  if (subject === 'secrets' && action === 'read') {
    return allowed(roles, 'describeSecret', subject, at) && allowed(roles, 'readValue', subject, at);
  }
  let somebodyAllows = false;
  for (const { rules, environments } of roles) {
    for (const rule of rules) {
      if (rule.subject !== subject) continue;
      const isNamed =
        rule.action.includes(action) ||
        (subject === 'secrets' && rule.action.includes('read') && ['describeSecret', 'readValue'].includes(action));
      if (!isNamed) continue;
      if (environments !== null && !environments.includes(at.environment)) continue;
      if (!conditionsHold(rule, at)) continue;
      if (rule.inverted) return false;
      somebodyAllows = true;
    }
  }
  return somebodyAllows;
}

function conditionsHold(rule: NaiveRule, at: NaivePlace): boolean {
  for (const [name, condition] of Object.entries(rule.conditions ?? {})) {
    const here: Record<string, readonly string[]> = {
      environment: at.environment === 'prod' ? ['prod', 'production'] : [at.environment],
      secretPath: [at.path],
      secretName: [at.key],
      secretTags: at.tags,
    };
    const values = here[name];
    // A condition about something that nobody here knows: no help to whoever is allowed, none to whoever is forbidden.
    if (values === undefined) {
      if (rule.inverted) continue;
      return false;
    }
    const asked = typeof condition === 'string' ? { $eq: condition } : condition;
    for (const [operator, operand] of Object.entries<any>(asked)) {
      const plain = (text: string) => (name === 'secretPath' && text !== '/' ? text.replace(/\/$/, '') : text);
      if (operator === '$eq' && !values.includes(plain(operand))) return false;
      if (operator === '$in' && !operand.some((one: string) => values.includes(plain(one)))) return false;
      if (operator === '$ne' && values.includes(plain(operand))) return false;
      if (operator === '$glob' && !values.some((value) => matches(operand, value))) return false;
    }
  }
  return true;
}

export function matches(glob: string, text: string): boolean {
  const open = glob.indexOf('{');
  if (open >= 0) {
    const close = glob.indexOf('}', open);
    const choices = glob.slice(open + 1, close).split(',');
    return choices.some((choice) => matches(glob.slice(0, open) + choice + glob.slice(close + 1), text));
  }
  const pattern = glob.length > 1 && glob.endsWith('/') ? glob.slice(0, -1) : glob;
  return namesMatch(pattern.split('/'), text.split('/'));
}

function namesMatch(pattern: readonly string[], names: readonly string[]): boolean {
  if (pattern.length === 0) return names.length === 0;
  const [first, ...rest] = pattern;
  if (first === '**') {
    for (let taken = 0; taken <= names.length; taken++) if (namesMatch(rest, names.slice(taken))) return true;
    return false;
  }
  return names.length > 0 && nameMatches(first!, names[0]!) && namesMatch(rest, names.slice(1));
}

function nameMatches(pattern: string, name: string): boolean {
  if (/^\*+$/.test(pattern)) return name !== '';
  if (pattern === '') return name === '';
  if (pattern[0] === '*') {
    for (let taken = 0; taken <= name.length; taken++) if (nameEnd(pattern.slice(1), name.slice(taken))) return true;
    return false;
  }
  if (pattern[0] === '[') {
    const close = pattern.indexOf(']', 2);
    const one = new RegExp(`^${pattern.slice(0, close + 1).replace('[!', '[^')}$`);
    return name !== '' && one.test(name[0]!) && nameEnd(pattern.slice(close + 1), name.slice(1));
  }
  return name !== '' && (pattern[0] === '?' || pattern[0] === name[0]) && nameEnd(pattern.slice(1), name.slice(1));
}

/** The rest of a name, which may be empty where a lone `*` stands. */
const nameEnd = (pattern: string, name: string): boolean =>
  /^\*+$/.test(pattern) ? true : pattern === '' ? name === '' : nameMatches(pattern, name);
