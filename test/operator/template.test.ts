import fc from 'fast-check';
import { expect, test } from 'vitest';
import { contentOf } from '../../operator/sync/content.ts';
import { type Entries, entriesOf } from '../../operator/sync/keys.ts';
import { SyncProblem } from '../../operator/sync/problem.ts';
import { render } from '../../operator/sync/template.ts';

const entries: Entries = new Map([
  ['HOST', { value: 'db.internal', path: '/' }],
  ['PORT', { value: '5432', path: '/db' }],
  ['EMPTY', { value: '', path: '/' }],
  ['my-key', { value: 'a "quoted" value', path: '/' }],
  ['LINES', { value: 'a\nb', path: '/' }],
]);

test.each([
  ['{{ .HOST.Value }}:{{.PORT.Value}}', 'db.internal:5432'],
  ['{{ .PORT.SecretPath }}', '/db'],
  ['{{ (index . "my-key").Value }}', 'a "quoted" value'],
  ['{{ (index . "my-key").Value | quote }}', '"a \\"quoted\\" value"'],
  ['{{ .HOST.Value | upper | b64enc }}', Buffer.from('DB.INTERNAL').toString('base64')],
  ['{{ "ZGI=" | b64dec }}', 'db'],
  ['{{ .EMPTY.Value | default "none" }}', 'none'],
  ['{{ .HOST.Value | replace "." "-" }}', 'db-internal'],
  ['x: |{{ .LINES.Value | nindent 2 }}', 'x: |\n  a\n  b'],
  ['a  {{- .PORT.Value -}}  b', 'a5432b'],
  ['{{ `raw \\text` }}', 'raw \\text'],
  ['no action, and { braces }', 'no action, and { braces }'],
])('%s becomes %s', (template, text) => {
  expect(render('KEY', template, entries)).toBe(text);
});

test.each([
  ['{{ .NONE.Value }}', 'KeysMissing', /the template of KEY names NONE, which KMS does not have/],
  ['{{ .HOST }}', 'TemplateInvalid', /a key has \.Value and \.SecretPath/],
  ['{{ .HOST.Value | exec "sh" }}', 'TemplateInvalid', /has no function exec; there are b64enc/],
  ['{{ .HOST.Value | constructor }}', 'TemplateInvalid', /has no function constructor/],
  ['{{ }}', 'TemplateInvalid', /is empty/],
  ['{{ range . }}', 'TemplateInvalid', /does not begin with a key/],
  ['{{ .HOST.Value .PORT.Value }}', 'TemplateInvalid', /more than one value/],
  ['{{ .HOST.Value | replace "a" }}', 'TemplateInvalid', /gives replace too little/],
  ['{{ .HOST.Value | indent .PORT.Value }}', 'TemplateInvalid', /something else than text in quotes, or a number/],
  ['{{ % }}', 'TemplateInvalid', /cannot be read from "%" on/],
])('%s is refused with its place: %s', (template, reason, message) => {
  const problem = (() => {
    try {
      return render('KEY', template, entries);
    } catch (error) {
      return error;
    }
  })();
  expect(problem).toBeInstanceOf(SyncProblem);
  expect(problem).toMatchObject({ reason, message: expect.stringMatching(message) });
});

test('no value is in a message, whatever the template', () => {
  const secret: Entries = new Map([['KEY', { value: 'needle-of-a-value', path: '/' }]]);
  const part = fc.constantFrom(
    '{{',
    '}}',
    ' .KEY.Value ',
    ' | ',
    'b64enc',
    '(index . "KEY").Value',
    '"',
    'x',
    ' upper ',
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
      try {
        render('OUT', parts.join(''), secret);
      } catch (error) {
        expect(error).toBeInstanceOf(SyncProblem);
        expect((error as Error).message).not.toContain('needle');
      }
    }),
    { numRuns: 2000 },
  );
});

test("a folder's own secret wins over an imported one, and of two imports the later", () => {
  const secret = (secretKey: string, secretValue: string) => ({ secretKey, secretValue, secretPath: '/' });
  const found = entriesOf({
    secrets: [secret('A', 'own')],
    imports: [
      { secretPath: '/one', secrets: [secret('A', 'one'), secret('B', 'one')] },
      { secretPath: '/two', secrets: [secret('B', 'two')] },
    ],
  });
  expect(Object.fromEntries([...found].map(([key, { value }]) => [key, value]))).toEqual({ A: 'own', B: 'two' });
});

test('data of a template comes beside all keys, or in their place', () => {
  const data = { URL: 'https://{{ .HOST.Value }}' };
  expect(contentOf(entries, { includeAllSecrets: false, data })).toEqual(new Map([['URL', 'https://db.internal']]));
  expect([...contentOf(entries, { includeAllSecrets: true, data }).keys()]).toEqual([...entries.keys(), 'URL']);
});
