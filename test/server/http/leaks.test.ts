import { afterAll, beforeAll, expect, test } from 'vitest';
import { LeakWatch } from '../../support/leaks.ts';
import { Needles } from '../../support/needles.ts';
import { startServer, type TestServer } from '../../support/server.ts';

/** The watch over logs, audit, refusals and metrics of all tests, watched: what leaks there must be found. */

const VALUE = 'value "quoted"\nand of two lines';
let server: TestServer;
let watch: LeakWatch;
let project: { id: string };

beforeAll(async () => {
  watch = new LeakWatch();
  server = await startServer({
    logStream: watch.logStream,
    prepare: (app) => {
      watch.listen(app);
      app.get('/leak/refusal', { config: { public: true } }, async (_request, reply) =>
        reply.code(400).send({ VALUE }),
      );
      app.get('/leak/log', { config: { public: true } }, async (request) => {
        request.log.debug({ detail: { VALUE } }, 'debugging');
        return {};
      });
    },
  });
  project = await server.project('gateway');
  await server.setSecrets(project.id, 'dev', { KEY: VALUE });
});
afterAll(() =>
  server.app
    .close()
    .then(() => server.sql.end())
    .then(() => server.database.drop()),
);

const findings = () => watch.findings(server.app, server.database.adminUri);

test('a server that keeps its secrets has no findings', async () => {
  const list = `/api/v4/secrets?projectId=${project.id}&environment=dev`;
  expect((await server.send('GET', list, { token: server.admin })).text).toContain('of two lines');
  await server.send('GET', `${list}&secretPath=nowhere`, { token: server.admin });
  expect(await findings()).toEqual([]);
  const { secrets, lines, refusals } = watch.seen;
  expect(secrets).toBeGreaterThanOrEqual(3);
  expect(lines).toBeGreaterThan(5);
  expect(refusals).toBeGreaterThanOrEqual(1);
});

test.each([
  { name: 'a log line', leak: () => server.app.inject('/leak/log') },
  { name: 'a refusal', leak: () => server.app.inject('/leak/refusal') },
  {
    name: 'an audit row',
    leak: () => server.sql.query(`update audit_log set metadata = jsonb_build_object('value', $1::text)`, [VALUE]),
  },
  {
    name: 'the metrics',
    leak: async () => server.app.metrics.gauge('kms_leak', 'leaks', () => [[{ value: VALUE }, 1]]),
  },
])('a secret in $name is found, and not repeated', async ({ name, leak }) => {
  await leak();
  const found = (await findings()).filter((one) => one.startsWith(`${name}: `));
  expect(found.length).toBeGreaterThan(0);
  expect(found.join()).not.toContain('of two lines');
});

test('a token in a log line is found', async () => {
  server.app.log.debug({ header: `Bearer ${server.admin}` }, 'debugging');
  expect(await findings()).toContainEqual(expect.stringMatching(/^a log line: .*Bearer \[the secret\]/));
});

test('needles are found wherever they lie', () => {
  const needles = new Needles(['abcdef', 'abcxyz', 'ünïcödé-välüe']);
  for (const text of ['abcdef', '..abcxyz', 'abcabcdef..', 'x ünïcödé-välüe']) expect(needles.find(text)).toBeDefined();
  for (const text of ['', 'abc', 'abcdeg', 'ABCDEF', 'abcde f']) expect(needles.find(text)).toBeUndefined();
});
