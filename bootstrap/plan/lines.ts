import { isCreation, type MissingValue, type Plan, type ProjectStep, type Step, totals } from './steps.ts';
import type { Grant } from './world.ts';

/** What a person reads of a step: one line of a table. */
export interface Line {
  readonly sign: '+' | '~';
  readonly noun: string;
  readonly name: string;
  readonly detail: string;
}

/** How a step is told. */
export function lineOf(step: Step): Line {
  const sign = isCreation(step) ? '+' : '~';
  switch (step.type) {
    case 'organization': {
      const detail = step.create
        ? nameUnlessSlug(step.create.name, step.organization)
        : arrow(step.rename?.from, step.rename?.to);
      return { sign, noun: 'organization', name: step.organization, detail };
    }
    case 'admin': {
      const detail = step.from ? `${step.from} -> admin of ${step.organization}` : `admin of ${step.organization}`;
      return { sign, noun: 'admin', name: step.email, detail };
    }
    case 'project':
      return { sign, noun: 'project', name: `${step.organization}/${step.project}`, detail: projectDetail(step) };
    case 'folder': {
      const name = `${step.organization}/${step.project}${step.path}`;
      return { sign, noun: 'folder', name, detail: step.environments.join(', ') };
    }
    case 'secrets': {
      const folder = step.path === '/' ? '' : step.path;
      const name = `${step.organization}/${step.project} ${step.environment}${folder}`;
      return { sign, noun: 'secrets', name, detail: `generated: ${step.secrets.map(({ key }) => key).join(', ')}` };
    }
    case 'identity': {
      const parts = [
        step.create &&
          (step.create.role === 'no-access'
            ? 'machine identity'
            : `machine identity, ${step.create.role} of ${step.organization}`),
        step.role && `${arrow(step.role.from, step.role.to)} of ${step.organization}`,
        !step.create && step.attachUniversalAuth && 'Universal Auth switched on',
      ];
      return {
        sign,
        noun: 'identity',
        name: `${step.organization}/${step.identity}`,
        detail: parts.filter(Boolean).join(', '),
      };
    }
    case 'access': {
      const name = `${step.organization}/${step.identity} ${step.project}`;
      const before = step.from && (step.from.length === 0 ? 'nothing' : step.from.map(grantText).join(' and '));
      return { sign, noun: 'access', name, detail: `${before ? `${before} -> ` : ''}${grantText(step.grant)}` };
    }
  }
}

function projectDetail(step: ProjectStep): string {
  const made = step.environments.map(({ slug }) => slug);
  const created = step.create?.defaults ? ['dev', 'staging', 'prod', ...made] : made;
  const parts = [
    created.length > 0 && (step.create ? created.join(', ') : `environments + ${created.join(', ')}`),
    step.rename && `name ${arrow(step.rename.from, step.rename.to)}`,
    step.describe && 'description',
    ...(step.create ? [] : step.renameEnvironments.map(({ slug, from, to }) => `${slug}: name ${arrow(from, to)}`)),
  ];
  return parts.filter(Boolean).join('; ');
}

const arrow = (from: string | undefined, to: string | undefined) => `${from} -> ${to}`;
const nameUnlessSlug = (name: string, slug: string) => (name === slug ? '' : name);
const grantText = ({ role, environments }: Grant) => (environments ? `${role} in ${environments.join(', ')}` : role);

/** The table of all lines, columns aligned. Names are no wider than the widest that is common. */
export function formatLines(lines: readonly Line[]): string[] {
  const width = (of: (line: Line) => string) => Math.min(40, Math.max(0, ...lines.map((line) => of(line).length)));
  const noun = width((line) => line.noun);
  const name = width((line) => line.name);
  return lines.map((line) =>
    `  ${line.sign} ${line.noun.padEnd(noun)}  ${line.name.padEnd(name)}  ${line.detail}`.trimEnd(),
  );
}

/** "1 to create, 1 to change, 0 to delete, 14 unchanged." */
export function planSummary(plan: Plan): string {
  const { created, changed } = totals(plan.steps);
  if (plan.steps.length === 0) return `nothing to change, ${plan.unchanged} unchanged`;
  return `${created} to create, ${changed} to change, 0 to delete, ${plan.unchanged} unchanged.`;
}

/** The secrets that people have to set, a line for each folder; environments that lack the same ones share it. */
export function missingLines(missing: readonly MissingValue[]): string[] {
  if (missing.length === 0) return [];
  const folders = Map.groupBy(missing, ({ organization, project, environment, path }) =>
    [`${organization}/${project}${path === '/' ? '' : path}`, environment].join(' '),
  );
  const places = [...folders].map(([place, secrets]) => {
    const [folder = '', environment = ''] = place.split(' ');
    return { folder, environment, keys: secrets.map(({ key }) => key).join(', ') };
  });
  const alike = Map.groupBy(places, ({ folder, keys }) => `${folder} ${keys}`);
  const lines = [...alike.values()].map((same) => {
    const environments = same.map(({ environment }) => environment).join(', ');
    return `  ! ${same[0]?.folder}  ${environments}: ${same[0]?.keys}`;
  });
  return [`${missing.length} ${missing.length === 1 ? 'secret needs a value' : 'secrets need a value'}:`, ...lines];
}
