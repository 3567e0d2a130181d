import type { WhyChange, WhyEntry, WhyKey, WhyPlace, WhyReference, WhyReport, WhySecret } from '../../contracts/why.ts';
import type { Style } from '../terminal/terminal.ts';

/** Colours a text, or leaves it as it is. */
type Paint = (style: Style, text: string) => string;

/** One line of the table of keys: what has a place in the columns, or a remark of its own. */
type Row = readonly [label: string, version: string, changed: string, by: string] | string;

/** A report for people. */
export function linesOf(report: WhyReport, paint: Paint): string[] {
  const facts: [string, string[]][] = [
    ['KMSSecret', kmsSecretLines(report)],
    ['Folder', [folderLine(report)]],
    ['Identity', identityLines(report, paint)],
    ['Last change', report.lastChange ? [changeLine(report.lastChange, report)] : []],
    ['Workloads', workloadLines(report, paint)],
  ];
  const width = Math.max(...facts.map(([name]) => name.length)) + 2;
  const indented = facts.flatMap(([name, lines]) =>
    lines.map((line, index) => `${paint('bold', (index === 0 ? name : '').padEnd(width))}${line}`),
  );
  const rows =
    report.keys === null
      ? []
      : [
          '',
          ...table(
            report.keys.flatMap((key) => keyRows(key, report)),
            paint,
          ),
        ];
  const missing = report.missing.map(({ part, why }) => `${paint('yellow', 'Not told:')} ${part}: ${why}`);
  return [headline(report, paint), '', ...indented, ...rows, ...(missing.length > 0 ? ['', ...missing] : [])];
}

function headline({ secret, kmsSecret, keys }: WhyReport, paint: Paint): string {
  const name = paint('bold', `${secret.namespace}/${secret.name}`);
  const { synced, reason, message, since, version, changedAt, suspended } = kmsSecret;
  const absent = secret.exists === false ? ' is not there yet, and' : '';
  if (synced === null)
    return `${name}${absent} ${paint('yellow', 'was not looked at by the operator yet')}: does it run, and does it watch this namespace?`;
  if (synced === 'True') {
    const count = keys === null ? '' : ` ${counted(keys.length, 'key')},`;
    const content = version === null ? '' : ` version ${version} since ${moment(changedAt ?? since)}`;
    return `${name}${absent} is ${paint('green', 'in sync')}:${count}${content}`;
  }
  const word = suspended ? paint('yellow', 'suspended') : paint('red', 'not in sync');
  return `${name}${absent} is ${word} since ${moment(since)} (${reason}): ${message}`;
}

function kmsSecretLines({ kmsSecret }: WhyReport): string[] {
  const { namespace, name, isCurrent, synced, others } = kmsSecret;
  return [
    `${namespace}/${name}${synced !== null && !isCurrent ? ', whose spec was changed since the operator looked' : ''}`,
    ...(others.length > 0 ? [`named by ${others.join(', ')} too, which get nothing of it`] : []),
  ];
}

function folderLine({ source }: WhyReport): string {
  const { project, projectId, environment, path, recursive, onlyKey, hostAPI, kms } = source;
  const only = onlyKey === null ? '' : `, the secret ${onlyKey} alone`;
  const asked = kms !== null && kms.replace(/\/$/, '') !== hostAPI.replace(/\/$/, '') ? ` (asked here at ${kms})` : '';
  return `project ${project ?? projectId}, environment ${environment}, path ${path}${recursive ? ' and below' : ''}${only}, of ${hostAPI}${asked}`;
}

function identityLines({ identity }: WhyReport, paint: Paint): string[] {
  const { id, name, credentials, allowed, reason, rules, roles } = identity;
  const who = name ?? id ?? 'not known';
  const may =
    allowed === null ? '' : allowed ? ', which may read it' : `, ${paint('red', 'which may not read it')}: ${reason}`;
  const through = (role: string) => roles?.find((held) => held.role === role)?.through;
  return [
    `${who}, by the credentials in ${credentials}${may}`,
    ...(rules ?? []).map(({ effect, role, rule }) => {
      const by = through(role);
      const way =
        by === undefined || by === 'membership'
          ? ''
          : by === 'organization'
            ? ' of the organization'
            : ` by group ${by}`;
      return `role ${role}${way} ${effect} ${rule}`;
    }),
  ];
}

function changeLine({ when, who, where, key, event, version, place }: WhyChange, report: WhyReport): string {
  const what = [event, key, version === null ? '' : `version ${version}`].filter(Boolean).join(' ');
  const { source } = report;
  const isHere =
    place.projectId === source.projectId && place.environment === source.environment && place.path === source.path;
  return `${moment(when)}  ${what}${isHere ? '' : ` in ${spot(place, report)}`} by ${who}${where === null ? '' : ` from ${where}`}`;
}

function workloadLines({ workloads }: WhyReport, paint: Paint): string[] {
  if (workloads === null) return [];
  if (workloads.length === 0) return ['none uses it'];
  const lines = workloads.map(({ kind, name, by, pods, oldPods }) => {
    const state =
      oldPods === null || pods === null
        ? pods === null
          ? ''
          : counted(pods, 'pod')
        : oldPods > 0
          ? paint(
              'yellow',
              `${oldPods} of ${counted(pods, 'pod')} ${oldPods === 1 ? 'runs' : 'run'} what was there before`,
            )
          : `${counted(pods, 'pod')}, up to date`;
    return [`${kind.toLowerCase()}/${name}`, by.join(' and '), state] as const;
  });
  const widths = [0, 1].map((column) => Math.max(...lines.map((line) => line[column]!.length)));
  return lines.map(([name, by, state]) => `${name.padEnd(widths[0]!)}  ${by.padEnd(widths[1]!)}  ${state}`.trimEnd());
}

function keyRows(key: WhyKey, report: WhyReport): Row[] {
  const { name, by, from, setBy, isPresent } = key;
  const remarks: Row[] = [
    ...(isPresent === false ? ['  is not in the Secret'] : []),
    ...(setBy !== null && by !== 'other' ? [`  was set by ${setBy} last`] : []),
  ];
  if (by === 'other') return [[name, '', '', `${setBy}, and not KMS`]];
  const [only] = from;
  if (by === 'template')
    return [[name, '', '', 'a template of'], ...from.flatMap((entry) => entryRows(entry, report, 1)), ...remarks];
  return only ? [...entryRows(only, report, 0), ...remarks] : [name, ...remarks];
}

function entryRows(entry: WhyEntry, report: WhyReport, depth: number): Row[] {
  const { imports, references, lastChange } = entry;
  const pad = '  '.repeat(depth);
  return [
    columns(`${pad}${entry.key}`, entry),
    ...(imports.length > 0
      ? [`${pad}  imported from ${imports.map((place) => spot(place, report)).join(', which imports ')}`]
      : []),
    ...references.flatMap((reference) => referenceRows(reference, report, depth + 1)),
    ...(report.keys?.length === 1 && lastChange ? [`${pad}  last change ${changeLine(lastChange, report)}`] : []),
  ];
}

function referenceRows(reference: WhyReference, report: WhyReport, depth: number): Row[] {
  return [
    columns(`${'  '.repeat(depth)}refers to ${spot(reference.place, report)} ${reference.key}`, reference),
    ...reference.references.flatMap((next) => referenceRows(next, report, depth + 1)),
  ];
}

const columns = (label: string, { version, changedAt, changedBy }: WhySecret): Row => [
  label,
  version === null ? '' : String(version),
  changedAt === null ? '' : moment(changedAt),
  changedBy ?? '',
];

function table(rows: readonly Row[], paint: Paint): string[] {
  const all: Row[] = [['KEY', 'VERSION', 'CHANGED', 'BY'], ...rows];
  const widths = [0, 1, 2].map((column) =>
    Math.max(...all.map((row) => (typeof row === 'string' ? 0 : row[column]!.length))),
  );
  return all.map((row, index) => {
    if (typeof row === 'string') return row;
    const line = row
      .map((text, column) => text.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
    return index === 0 ? paint('dim', line) : line;
  });
}

/** `prod:/db`, and the project before it where it is another. */
function spot({ project, projectId, environment, path }: WhyPlace, { source }: WhyReport): string {
  return `${projectId === source.projectId ? '' : `@${project ?? projectId} `}${environment}:${path}`;
}

/** `2026-11-24 16:03:12Z`. */
const moment = (iso: string | null) => (iso === null ? 'an unknown time' : `${iso.slice(0, 19).replace('T', ' ')}Z`);
const counted = (count: number, noun: string) => `${count} ${noun}${count === 1 ? '' : 's'}`;
