import { expect, test } from 'vitest';
import { loadEnv } from '../../sdk/index.ts';
import { startLiveServer } from '../bootstrap/support/live-server.ts';

test('loadEnv puts a folder into an environment, whole or not at all', async () => {
  const live = await startLiveServer();
  try {
    await live.server.bootstrap();
    const { id: projectId } = await live.server.project('gateway');
    const { clientId, clientSecret } = await live.server.machine('edge', { projectId, roles: [{ role: 'viewer' }] });
    const at = { projectId, environment: 'dev', secretPath: '/' };
    for (const [name, secretValue] of [
      ['HOST', 'db'],
      // biome-ignore lint/suspicious/noTemplateCurlyInString: a reference
      ['URL', '${HOST}:5432\n'],
    ])
      await live.server.do('POST', `/api/v4/secrets/${name}`, { body: { ...at, secretValue } });
    const env: Record<string, string> = { KMS_URL: live.url, KMS_CLIENT_ID: clientId, KMS_CLIENT_SECRET: clientSecret };
    const where = { project: 'gateway', environment: 'dev', env };
    expect(await loadEnv(where)).toEqual({ HOST: 'db', URL: 'db:5432\n' });
    expect(env).toMatchObject({ HOST: 'db', URL: 'db:5432\n' });
    const untouched = { ...env };
    await expect(loadEnv({ ...where, path: '/none' })).rejects.toThrow();
    expect(env).toEqual(untouched);
    env.HOST = 'mine';
    await loadEnv({ ...where, keepEnv: true });
    expect(env.HOST).toBe('mine');
  } finally {
    await live.close();
  }
});
