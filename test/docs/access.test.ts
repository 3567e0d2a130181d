import { readFile } from 'node:fs/promises';
import { beforeAll, expect, test } from 'vitest';
import { conditionNames, projectRoles, projectSubjects, type Rule } from '../../contracts/index.ts';
import { compileAll, rightsOf } from '../../server/access/permissions.ts';

let page: string;
beforeAll(async () => {
  page = await readFile(new URL('../../docs/access.md', import.meta.url), 'utf8');
});

/** The rows of the table below a heading, without its head. */
function tableOf(heading: string): string[][] {
  const section = page.split(`\n## ${heading}\n`)[1]!.split('\n## ')[0]!;
  const rows = section.split('\n').filter((line) => line.startsWith('|'));
  return rows.slice(2).map((line) =>
    line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim()),
  );
}

const words = (text: string) => [...text.matchAll(/`([^`]+)`/g)].map(([, word]) => word!);

/** `secrets`, `secret-folders`: `read` in `dev` — a rule for each subject. */
function rulesOf(line: string): Rule[] {
  const [subjects, rest] = line.split(':');
  const [action, environments] = rest!.split(' in ');
  return words(subjects!).map((subject) => ({
    subject,
    action: words(action!),
    ...(environments === undefined ? {} : { conditions: { environment: { $in: words(environments) } } }),
  }));
}

test('the page writes the built-in roles as they are', () => {
  const documented = Object.fromEntries(
    tableOf('Built-in roles').map(([role, rules]) => [
      words(role!)[0],
      rules === 'nothing' ? [] : rules!.split('<br>').flatMap(rulesOf),
    ]),
  );
  const ordered = (roles: Record<string, readonly Rule[]>) =>
    Object.fromEntries(
      Object.entries(roles).map(([role, rules]) => [role, rules.map((rule) => JSON.stringify(rule)).sort()]),
    );
  expect(ordered(documented as never)).toEqual(ordered(projectRoles));
});

test('the page names each subject with its actions, and each condition', () => {
  const subjects = tableOf('Subjects').map(([subject, actions]) => [words(subject!)[0], words(actions!)]);
  expect(Object.fromEntries(subjects)).toEqual(projectSubjects);
  expect(tableOf('A rule').map(([name]) => words(name!)[0])).toEqual(conditionNames);
});

test('an admin holds every action of every subject, so that it can give each of them', () => {
  const every = Object.entries(projectSubjects).map(([subject, action]): Rule => ({ subject, action }));
  expect(rightsOf('admin@*')!.beyond(compileAll(every))).toBeUndefined();
  expect(rightsOf('organization-admin@*')!.beyond(compileAll(every))).toBeUndefined();
});
