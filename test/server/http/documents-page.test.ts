import { afterAll, beforeAll, expect, test } from 'vitest';
import { startEmptyServer, type TestServer } from '../../support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startEmptyServer();
});
afterAll(() => server.close());

test('the page of the API is shown to anybody, with its script, and points at our document', async () => {
  const page = await server.send('GET', '/api/docs/');
  expect(page.status).toBe(200);
  expect(page.headers['content-type']).toContain('text/html');
  expect(page.text).toContain('/api/docs/json');
  const script = /src="([^"]+\.js)"/.exec(page.text)?.[1];
  const loaded = await server.send('GET', new URL(script!, 'http://kms/api/docs/').pathname);
  expect(loaded.status).toBe(200);
  expect(loaded.headers['content-type']).toContain('javascript');
});

test('a path below the page that is nothing is not found', async () => {
  expect((await server.send('GET', '/api/docs/nothing/here.txt')).status).toBe(404);
});
