import { expect, test } from 'vitest';
import { contentOf } from '../../operator/sync/content.ts';
import type { Entries } from '../../operator/sync/keys.ts';
import { render } from '../../operator/sync/template.ts';

/** A template is written by a tenant, and everybody's Secrets wait while it is worked out. Each of these took minutes, or all memory. */

const MIB = 1024 * 1024;
const entries: Entries = new Map([
  ['BIG', { value: 'a'.repeat(MIB - 10), path: '/' }],
  ['LINES', { value: '\n'.repeat(MIB / 2), path: '/' }],
  ['BLANK', { value: ' '.repeat(MIB / 2), path: '/' }],
  ['A', { value: 'aaaaaaaaaa', path: '/' }],
]);

test.each([
  ['only blanks', ' '.repeat(1_000_000)],
  ['braces that never close', '{{'.repeat(500_000)],
  ['blanks around an action', `${' '.repeat(499_000)}{{ .A.Value }}${' '.repeat(499_000)}`],
])('%s are read in one go', (_what, template) => {
  expect(render('KEY', template, entries)).toHaveLength(template.replace('{{ .A.Value }}', 'aaaaaaaaaa').length);
});

test.each([
  ['lines that are indented again and again', '{{ .LINES.Value | indent 200 | indent 200 | indent 200 }}'],
  ['replacements of replacements', `{{ .A.Value ${'| replace "a" "aaaaaaaaaa" '.repeat(30)} }}`],
  ['what is put between all characters', `{{ .BIG.Value | replace "" "${'b'.repeat(1000)}" }}`],
  ['quotes of quotes', `{{ .A.Value ${'| toJson '.repeat(60)} }}`],
  ['one value over and over', '{{ .BIG.Value }}'.repeat(50_000)],
  ['a pipeline without end', `{{ .BIG.Value ${'| upper '.repeat(100_000)} }}`],
  ['work that comes to nothing', '{{ .BLANK.Value | trim }}'.repeat(40_000)],
  ['a search that finds nothing', `${'{{ .BIG.Value | replace "b" "" | replace "a" "" }}'.repeat(20_000)}`],
])('%s are refused', (_what, template) => {
  const problem = expect.objectContaining({
    reason: 'TooLarge',
    message: expect.stringContaining('of KEY makes more'),
  });
  expect(() => contentOf(entries, { includeAllSecrets: false, data: { KEY: template } })).toThrow(problem);
});

test('many keys of one value are refused before they are worked out', () => {
  const data = Object.fromEntries(Array.from({ length: 50_000 }, (_, n) => [`K${n}`, '{{ .BIG.Value | upper }}']));
  expect(() => contentOf(entries, { includeAllSecrets: false, data })).toThrow(/an object of Kubernetes holds 1048576/);
});

test('what a configuration file takes is no work at all', () => {
  const line = '{{ .A.Value | b64enc | quote }}\n';
  const content = contentOf(entries, { includeAllSecrets: false, data: { FILE: line.repeat(5000) } });
  expect(content.get('FILE')).toBe(`"${Buffer.from('aaaaaaaaaa').toString('base64')}"\n`.repeat(5000));
});

test.each(['.', '..', '..data', '...'])('the key %s, which a volume cannot hold, is refused', (key) => {
  const named: Entries = new Map([[key, { value: 'v', path: '/' }]]);
  expect(() => contentOf(named, undefined)).toThrow(/a key of a Kubernetes object/);
});

test.each(['__proto__', 'constructor', 'hasOwnProperty', '..a'.slice(1), '-', '_'])('the key %s is a key', (key) => {
  const named: Entries = new Map([[key, { value: 'v', path: '/' }]]);
  const data = JSON.parse(`{"X": "{{ (index . \\"${key}\\").Value }}"}`) as Record<string, string>;
  expect([...contentOf(named, { includeAllSecrets: true, data })]).toEqual([
    [key, 'v'],
    ['X', 'v'],
  ]);
});

test.each(['{{ .__proto__.Value }}', '{{ .constructor.Value }}', '{{ (index . "toString").Value }}'])(
  '%s names nothing that KMS does not have',
  (template) => {
    expect(() => render('KEY', template, entries)).toThrow(/which KMS does not have/);
  },
);

test('text on both sides of two actions is trimmed as Go does', () => {
  expect(render('KEY', 'a {{ .A.Value }} {{- .A.Value -}}\n b', entries)).toBe(`a ${'a'.repeat(20)}b`);
});
