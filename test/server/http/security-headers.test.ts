import helmet from '@fastify/helmet';
import Fastify from 'fastify';
import { expect, test } from 'vitest';
import { SECURITY_HEADERS } from '../../../server/http/security-headers.ts';

test('answers carry every header of helmet', async () => {
  const app = Fastify();
  await app.register(helmet, { contentSecurityPolicy: false });
  app.get('/', async () => '');
  const { headers } = await app.inject('/');
  await app.close();
  for (const own of ['content-type', 'content-length', 'date', 'connection']) delete headers[own];
  expect(SECURITY_HEADERS).toEqual(headers);
});
