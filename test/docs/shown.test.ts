import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startServer, type TestServer } from '../support/server.ts';

const ROOT = new URL('../../', import.meta.url);
const pageOf = (name: string) => readFile(new URL(`docs/${name}.md`, ROOT), 'utf8');

/** HIP-27, "Compliance Mapping" and "Threat Model": a row of its tables is a heading of ours. */
const REQUIREMENTS = [
  'SOC 2 CC6.1: Logical access security',
  'SOC 2 CC6.3: Access revocation',
  'SOC 2 CC7.2: System monitoring',
  'HIPAA 164.312(a): Access control',
  'HIPAA 164.312(e): Transmission security',
  'GDPR Art. 32: Security of processing',
  'PCI DSS 3.4: Render PAN unreadable',
];
const THREATS = [
  'Compromised service identity',
  'KMS database breach',
  'Network interception',
  'Insider threat',
  'KMS service compromise',
  'Leaked bearer token',
  'Git secret leak',
  'CI/CD secret exfiltration',
];

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

/** The text below each heading of a level, by heading. */
function sections(page: string, level: '##' | '###'): Map<string, string> {
  const parts = page.split(new RegExp(`^${level} `, 'm')).slice(1);
  return new Map(parts.map((part) => [part.split('\n', 1)[0]!, part.split(/^## /m)[0]!]));
}

/** `test/a.test.ts` “title”, in a list or in two cells of a table. */
const testsIn = (text: string) =>
  [...text.matchAll(/`(test\/[^`]+\.test\.ts)`[ |]+“([^”]+)”/g)].map(([, file, title]) => ({
    file: file!,
    title: title!,
  }));

test.each([
  { page: 'compliance', level: '##', wanted: REQUIREMENTS },
  { page: 'threat-model', level: '###', wanted: THREATS },
] as const)('each row of HIP-27 is a part of $page, with a test that shows it', async ({ page, level, wanted }) => {
  const found = sections(await pageOf(page), level);
  const without = wanted.filter((heading) => testsIn(found.get(heading) ?? '').length === 0);
  expect(without).toEqual([]);
});

test.each(['compliance', 'threat-model'])('every test that %s names is there', async (page) => {
  const text = await pageOf(page);
  const named = testsIn(text);
  expect(named, 'as many as files are mentioned').toHaveLength(text.match(/`test\//g)!.length);
  const missing: string[] = [];
  for (const { file, title } of named) {
    const source = await readFile(new URL(file, ROOT), 'utf8').catch(() => '');
    const written = [title, title.replaceAll("'", "\\'")].some((words) =>
      [`'${words}'`, `"${words}"`, `\`${words}\``].some((quoted) => source.includes(quoted)),
    );
    if (!written) missing.push(`${file} “${title}”`);
  }
  expect(missing).toEqual([]);
});

test('every route that compliance names is in the document', async () => {
  const routes = [...(await pageOf('compliance')).matchAll(/`(GET|POST|PUT|PATCH|DELETE) (\/[^`]+)`/g)];
  const { paths } = server.app.swagger() as { paths: Record<string, Record<string, unknown>> };
  const nameless = (path: string) => path.replace(/\{\w+\}/g, '{}');
  const known = new Set(
    Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${nameless(path)}`),
    ),
  );
  const missing = routes.map(([, method, path]) => `${method} ${nameless(path!)}`).filter((route) => !known.has(route));
  expect([routes.length > 10, missing]).toEqual([true, []]);
});
