import { afterAll, beforeAll, expect, test } from 'vitest';
import { startServer, type TestServer } from '../../support/server.ts';

let server: TestServer;
let project: { id: string; slug: string };

beforeAll(async () => {
  server = await startServer();
  project = await server.project('gateway');
  await server.setSecrets(project.id, 'prod', { B: 'two', A: ' one \n' });
});
afterAll(() => server.close());

test("HIP-27's request lists a service's secrets by key", async () => {
  const { token } = await server.machine('gateway-service', {
    projectId: project.id,
    roles: [{ role: 'viewer', environments: ['prod'] }],
  });
  const url = '/api/v3/secrets/raw?environment=prod&workspaceSlug=gateway&secretPath=/';
  for (const source of ['database', 'memory']) {
    const { status, body } = await server.send('GET', url, { token });
    expect(status, source).toBe(200);
    expect(body.secrets).toMatchObject([
      { secretKey: 'A', secretValue: ' one \n', type: 'shared', version: 1 },
      { secretKey: 'B', secretValue: 'two', type: 'shared', version: 1 },
    ]);
  }
});
