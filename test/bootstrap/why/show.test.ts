import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Gaps } from '../../../bootstrap/why/gaps.ts';
import { ruleInWords } from '../../../bootstrap/why/identity.ts';
import { madeKeys } from '../../../bootstrap/why/keys.ts';
import { linesOf } from '../../../bootstrap/why/show.ts';
import { WhyReport } from '../../../contracts/why.ts';
import { KubernetesError } from '../../../operator/kubernetes/errors.ts';
import { Forbidden, Unauthorized } from '../../../sdk/index.ts';

const plain = (_style: unknown, text: string) => text;
const projectId = '6f9a4c1e-0f5a-4a8e-9c55-1d3b2f0a7e11';
const place = (path: string) => ({ project: 'gateway', projectId, environment: 'prod', path });
const secret = (key: string, path: string, version: number, changedAt: string, changedBy: string) => ({
  ...{ key, place: place(path), version, changedAt: `2026-11-${changedAt}.000Z`, changedBy },
});
const change = {
  ...{ when: '2026-11-24T16:03:11.000Z', who: 'ann@hanzo.ai', where: '10.1.2.3', place: place('/base') },
  ...{ key: 'LOG_LEVEL', event: 'update-secret', version: 3 },
};

/** What docs/kubernetes.md shows. */
const shown: WhyReport = WhyReport.parse({
  schema: 'kms-why/v1',
  secret: { namespace: 'hanzo', name: 'gateway-secrets', exists: true },
  kmsSecret: {
    ...{ namespace: 'hanzo', name: 'gateway-kms-sync', synced: 'True', reason: 'Synced', message: '2 keys' },
    ...{ since: '2026-11-01T00:00:00.000Z', isCurrent: true, version: 7, changedAt: '2026-11-24T16:03:12.480Z' },
    ...{ suspended: false, others: [] },
  },
  source: {
    ...{ hostAPI: 'https://kms.hanzo.ai', kms: 'https://kms.hanzo.ai/', project: 'gateway', projectId },
    ...{ environment: 'prod', path: '/', recursive: false, onlyKey: null },
  },
  identity: {
    ...{ id: projectId, name: 'gateway-service', credentials: 'hanzo/gateway-kms-auth', allowed: true, reason: 'so' },
    roles: [{ role: 'viewer', environments: null, active: true, through: 'membership' }],
    rules: [{ effect: 'allows', role: 'viewer', rule: 'read on secrets' }],
  },
  lastChange: change,
  keys: [
    {
      ...{ name: 'DATABASE_URL', by: 'secret', setBy: null, isPresent: true },
      from: [
        {
          ...secret('DATABASE_URL', '/', 4, '20T09:00:01', 'ann@hanzo.ai'),
          references: [{ ...secret('PASSWORD', '/db', 2, '01T12:30:44', 'rotation-bot'), references: [] }],
          ...{ imports: [], lastChange: null },
        },
      ],
    },
    {
      ...{ name: 'LOG_LEVEL', by: 'secret', setBy: null, isPresent: true },
      from: [
        {
          ...secret('LOG_LEVEL', '/base', 3, '24T16:03:11', 'ann@hanzo.ai'),
          ...{ imports: [place('/shared'), place('/base')], references: [], lastChange: change },
        },
      ],
    },
  ],
  workloads: [
    { kind: 'CronJob', name: 'report', by: ['volume'], pods: null, oldPods: null },
    { kind: 'Deployment', name: 'gateway', by: ['environment'], pods: 3, oldPods: 1 },
  ],
  missing: [],
});
const lines = (changes: Partial<WhyReport>) => linesOf({ ...shown, ...changes }, plain);

test('a report reads as the guide shows it', () => {
  const page = readFileSync(new URL('../../../docs/kubernetes.md', import.meta.url), 'utf8');
  const example = /^```\n\$ kms why hanzo\/gateway-secrets\n([\s\S]*?)\n```/m.exec(page)![1]!;
  expect(lines({}).join('\n')).toBe(example);
});

test.each<{ name: string; changes: Partial<WhyReport>; says: string | RegExp }>([
  {
    name: 'a KMSSecret out of sync',
    changes: { kmsSecret: { ...shown.kmsSecret, synced: 'False', reason: 'KeysMissing', message: 'KMS lacks A' } },
    says: 'hanzo/gateway-secrets is not in sync since 2026-11-01 00:00:00Z (KeysMissing): KMS lacks A',
  },
  {
    name: 'a KMSSecret without a status',
    changes: {
      secret: { ...shown.secret, exists: false },
      kmsSecret: { ...shown.kmsSecret, synced: null, reason: null, message: null, since: null, isCurrent: false },
    },
    says: 'hanzo/gateway-secrets is not there yet, and was not looked at by the operator yet: does it run, and does it watch this namespace?',
  },
  {
    name: 'a status of another spec',
    changes: { kmsSecret: { ...shown.kmsSecret, isCurrent: false } },
    says: 'KMSSecret    hanzo/gateway-kms-sync, whose spec was changed since the operator looked',
  },
  {
    name: 'rivals for the Secret',
    changes: { kmsSecret: { ...shown.kmsSecret, others: ['hanzo/other'] } },
    says: /named by hanzo\/other too, which get nothing of it$/,
  },
  {
    name: 'an identity that may not read',
    changes: { identity: { ...shown.identity, allowed: false, reason: 'no rule allows it', rules: [] } },
    says: /which may not read it: no rule allows it$/,
  },
  {
    name: 'KMS at another address than the operator has',
    changes: { source: { ...shown.source, kms: 'http://127.0.0.1:8080' } },
    says: /of https:\/\/kms\.hanzo\.ai \(asked here at http:\/\/127\.0\.0\.1:8080\)$/,
  },
  {
    name: 'a part that is not told',
    changes: { missing: [{ part: 'the audit', why: 'not permitted for you; ask an admin' }], lastChange: null },
    says: 'Not told: the audit: not permitted for you; ask an admin',
  },
  { name: 'a Secret that nobody uses', changes: { workloads: [] }, says: 'Workloads    none uses it' },
])('$name is told', ({ changes, says }) => {
  expect(lines(changes)).toContainEqual(typeof says === 'string' ? says : expect.stringMatching(says));
});

test('what is not known has no line', () => {
  const names = lines({ workloads: null, lastChange: null, keys: null }).map((line) => line.split('  ')[0]);
  expect(names).not.toEqual(expect.arrayContaining(['Workloads']));
  expect(names).not.toEqual(expect.arrayContaining(['Last change']));
  expect(names).not.toEqual(expect.arrayContaining(['KEY']));
});

test('rules are words', () => {
  const rule = {
    ...{ subject: 'secrets', action: ['read', 'edit'], inverted: true },
    conditions: { environment: 'prod', secretPath: { $glob: '/db/**' }, secretTags: { $in: ['a', 'b'] } },
  };
  expect(ruleInWords(rule)).toBe(
    'read and edit on secrets where environment is prod and secretPath matches /db/** and secretTags is one of a, b',
  );
});

test('keys of a Secret are of KMS, of a template, or of somebody else', () => {
  const gaps = new Gaps();
  const template = {
    includeAllSecrets: false,
    data: { DSN: '{{ .A.Value }}:{{ (index . "b-c").Value }}', BAD: '{{ }}' },
  };
  const setBy = new Map([
    ['DSN', 'kms-operator'],
    ['MINE', 'kubectl'],
    // Applied once, and on its way out.
    ['OLD', 'kms-operator'],
  ]);
  expect(madeKeys(['A', 'b-c'], { template }, { setBy, gaps })).toEqual([
    { name: 'BAD', by: 'template', of: [] },
    { name: 'DSN', by: 'template', of: ['A', 'b-c'] },
    { name: 'MINE', by: 'other', of: [] },
  ]);
  expect(gaps.all).toMatchObject([{ part: 'what BAD is made of' }]);
});

test('a refusal is a gap, and nobody being there is none', async () => {
  const gaps = new Gaps();
  const refused = (statusCode: number) => ({ reqId: 'r', statusCode, error: 'e', message: 'may not' });
  expect(await gaps.ask('a', () => Promise.reject(new KubernetesError(403, 'Forbidden', 'no')))).toBe(undefined);
  expect(await gaps.ask('a', () => Promise.reject(new Forbidden(refused(403))))).toBe(undefined);
  expect(gaps.all).toEqual([
    { part: 'a', why: 'not permitted for you: no; ask an admin of the cluster' },
    { part: 'a', why: 'not permitted for you: may not; ask an admin of the project' },
  ]);
  expect(await gaps.ask('b', async () => 1)).toBe(1);
  const rest = [
    new KubernetesError(0, '', 'gone'),
    new KubernetesError(401, '', 'who'),
    new Unauthorized(refused(401)),
  ];
  for (const error of [...rest, new Error('bug')])
    await expect(gaps.ask('c', () => Promise.reject(error))).rejects.toBe(error);
});
