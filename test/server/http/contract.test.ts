import Fastify, { type FastifyInstance } from 'fastify';
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { NotModified } from '../../../contracts/index.ts';
import { documentApi } from '../../../server/http/documents.ts';
import { holdToContract, takeBreaches } from '../../support/contract.ts';

/** The watch over all other tests' answers, watched: what is not documented must be found. */

const Thing = z.object({
  id: z.string(),
  parts: z.array(z.object({ count: z.number() })),
  note: z.string().optional(),
});
const right = { id: 'a', parts: [{ count: 1 }] };
const refusal = { reqId: 'r', statusCode: 404, message: 'not found', error: 'NotFound' };
let app: FastifyInstance;

beforeAll(async () => {
  app = Fastify();
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  holdToContract(app);
  await documentApi(app, '1');
  const answer = (status: number, json: unknown) => ({
    schema: { tags: ['t'], summary: 'Things', response: { 200: Thing, 304: NotModified } },
    handler: async (_: unknown, reply: any) =>
      reply
        .code(status)
        .type('application/json')
        .send(Buffer.from(JSON.stringify(json))),
  });
  const routes: [string, number, unknown][] = [
    ['right', 200, right],
    ['noted', 200, { ...right, note: 'n' }],
    ['unchanged', 304, ''],
    ['refused', 404, refusal],
    ['more', 200, { ...right, more: 1 }],
    ['deeper', 200, { ...right, parts: [{ count: 1, weight: 2 }] }],
    ['less', 200, { id: 'a' }],
    ['other', 200, { ...right, id: 1 }],
    ['created', 201, right],
    ['teapot', 418, refusal],
    ['odd-refusal', 404, { ...refusal, stack: 'at' }],
  ];
  for (const [name, status, json] of routes)
    app.route({ method: 'GET', url: `/${name}`, ...answer(status, json) } as never);
  app.get('/silent', async () => right);
  await app.ready();
});
afterAll(() => app.close());

test.each<{ name: string; says: RegExp | undefined }>([
  { name: 'right', says: undefined },
  { name: 'noted', says: undefined },
  { name: 'refused', says: undefined },
  { name: 'more', says: /unrecognized_keys more/ },
  { name: 'deeper', says: /parts\.0 unrecognized_keys weight/ },
  { name: 'less', says: /parts invalid_type/ },
  { name: 'other', says: /id invalid_type/ },
  { name: 'created', says: /answered 201: the status is not documented/ },
  { name: 'teapot', says: /answered 418: the status is not documented/ },
  { name: 'odd-refusal', says: /unrecognized_keys stack/ },
])('an answer that is $name is found when it must be', async ({ name, says }) => {
  await app.inject(`/${name}`);
  expect(takeBreaches()).toEqual(says === undefined ? [] : [expect.stringMatching(says)]);
});

test('a route without documentation is left to the test of all routes', async () => {
  await app.inject('/silent');
  expect(takeBreaches()).toEqual([]);
});
