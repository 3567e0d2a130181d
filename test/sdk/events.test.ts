import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Change, Forbidden, Kms } from '../../sdk/index.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let url: string;
let projectId: string;

beforeAll(async () => {
  // Streams end every so often: the reader must not notice.
  server = await startServer({ events: { longestMs: 400, closeWithinMs: 0 } });
  url = await server.app.listen({ host: '127.0.0.1', port: 0 });
  projectId = (await server.project('gateway')).id;
});
afterAll(() => server.close());

test('changes are heard once and in order, though connections end', async () => {
  const kms = new Kms({ url, credentials: { token: server.admin } });
  const stop = new AbortController();
  const heard: Change[] = [];
  const names = Array.from({ length: 12 }, (_, n) => `KEY_${n}`);
  const reading = (async () => {
    for await (const change of kms.events.subscribe({ projectId, signal: stop.signal })) {
      heard.push(change);
      if (heard.filter(({ environment }) => environment === 'dev').length === names.length) return;
    }
  })();
  // The first that is heard says that the stream is open.
  for (let n = 0; heard.length === 0 && n < 100; n++) {
    await server.setSecrets(projectId, 'staging', { [`FIRST_${n}`]: 'x' });
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  for (const name of names) {
    await server.setSecrets(projectId, 'dev', { [name]: 'x' });
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
  await reading;
  const inDev = heard.filter(({ environment }) => environment === 'dev');
  expect(inDev.flatMap(({ keys }) => keys)).toEqual(names);
  stop.abort();
});

test('what will not pass by itself is thrown', async () => {
  const { token } = await server.machine('idle', { projectId, roles: [{ role: 'no-access' }] });
  const kms = new Kms({ url, credentials: { token } });
  await expect(kms.events.subscribe({ projectId }).next()).rejects.toThrow(Forbidden);
});
