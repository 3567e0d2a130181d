import type { ExplainAnswer } from '../../contracts/access.ts';
import type { WhyReport } from '../../contracts/why.ts';
import type { KmsSecret } from '../../operator/kms-secret.ts';
import type { Kms } from '../../sdk/index.ts';
import type { Folder } from './folders.ts';
import type { Gaps } from './gaps.ts';

type Identity = WhyReport['identity'];

/** Who the operator is, as the KMSSecret alone tells it. */
export function identityIn({ spec, status }: KmsSecret): Identity {
  const { secretName, secretNamespace } = spec.authentication.universalAuth.credentialsRef;
  return {
    id: status?.identityId ?? null,
    name: null,
    credentials: `${secretNamespace}/${secretName}`,
    ...{ allowed: null, reason: null, roles: null, rules: null },
  };
}

/** Whether it may read the folder, by which role and which rule, which admins of the project are told. */
export async function explainIdentity(
  identity: Identity,
  { projectId, environment, path, key }: Folder & { readonly key?: string | undefined },
  { kms, gaps }: { readonly kms: Kms; readonly gaps: Gaps },
): Promise<Identity> {
  const { id: actorId } = identity;
  if (actorId === null) {
    gaps.note('the identity', 'the operator has not logged in with its credentials yet, and tells it when it has');
    return identity;
  }
  const answer = await gaps.ask("the identity's role and rule", () =>
    kms.projects.explain(projectId, {
      ...{ actorId, action: 'read', environment, path },
      ...(key === undefined ? {} : { key }),
    }),
  );
  if (!answer) return identity;
  return {
    ...identity,
    name: answer.asked.actor.name,
    allowed: answer.allowed,
    reason: answer.reason,
    roles: answer.roles.map(({ role, environments, active, via }) => ({
      ...{ role, environments, active },
      through: via.type === 'group' ? (via.groupName ?? 'group') : via.type,
    })),
    rules: answer.decidedBy.map(({ effect, role, rule }) => ({ effect, role, rule: ruleInWords(rule) })),
  };
}

/** `read on secrets where environment is prod and secretPath matches /db/**`. */
export function ruleInWords({ subject, action, conditions = {} }: ExplainAnswer['decidedBy'][number]['rule']): string {
  const where = Object.entries(conditions).flatMap(([name, condition]) =>
    typeof condition === 'object' && condition !== null
      ? Object.entries(condition).map(([operator, value]) => `${name} ${WORDS[operator] ?? operator} ${listed(value)}`)
      : [`${name} is ${listed(condition)}`],
  );
  return `${action.join(' and ')} on ${subject}${where.length > 0 ? ` where ${where.join(' and ')}` : ''}`;
}

const WORDS: Readonly<Record<string, string>> = {
  $eq: 'is',
  $ne: 'is not',
  $neq: 'is not',
  $in: 'is one of',
  $glob: 'matches',
};
const listed = (value: unknown) => (Array.isArray(value) ? value.join(', ') : String(value));
