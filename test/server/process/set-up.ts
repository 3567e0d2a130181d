import { expect } from 'vitest';
import { makeProof, newClientSecret, parseAuthSecret } from '../../../keys/index.ts';

async function post(url: string, body: object, headers: Record<string, string> = {}): Promise<any> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  expect(response.status).toBe(200);
  return response.json();
}

/** Sets up a fresh instance over the wire: the first admin's token, and the list of a project with one secret. */
export async function setUp(
  address: string,
  authSecret: string,
  secretValue: string,
): Promise<{ authorization: string; list: string }> {
  const path = '/api/v1/admin/bootstrap';
  const body = { email: 'z@hanzo.ai', organization: 'Hanzo', credential: newClientSecret() };
  const proof = makeProof(parseAuthSecret(authSecret), { method: 'POST', path, body: JSON.stringify(body) });
  const { identity } = await post(address + path, body, { 'x-kms-proof': proof });
  const { accessToken } = await post(`${address}/api/v1/auth/universal-auth/login`, {
    clientId: identity.credentials.clientId,
    clientSecret: body.credential,
  });
  const authorization = `Bearer ${accessToken}`;
  const { project } = await post(
    `${address}/api/v1/projects`,
    { projectName: 'gateway', slug: 'gateway' },
    { authorization },
  );
  const place = { projectId: project.id, environment: 'prod', secretValue };
  await post(`${address}/api/v4/secrets/KEY`, place, { authorization });
  return { authorization, list: `${address}/api/v4/secrets?projectId=${project.id}&environment=prod` };
}
