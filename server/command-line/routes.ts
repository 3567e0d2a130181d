import type { FastifyInstance, FastifyReply } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import {
  CommandLineCodeAnswer,
  CommandLineCodeBody,
  CommandLineTokenAnswer,
  CommandLineTokenBody,
} from '../../contracts/index.ts';
import { originOf } from '../http/authentication.ts';
import { requireOwnOrigin } from '../sessions/cookie.ts';
import { PAGE, POLICY } from './page.ts';
import { SCRIPT } from './page-script.ts';
import type { CommandLines } from './service.ts';

/** Logins of command lines by way of a browser. */
export async function commandLineRoutes(
  scope: FastifyInstance,
  { commandLines }: { readonly commandLines: CommandLines },
): Promise<void> {
  const app = scope.withTypeProvider<ZodTypeProvider>();
  const tags = ['login of people'];

  app.post(
    '/api/v1/auth/command-line/code',
    {
      schema: {
        tags,
        summary: 'Hand the own login to a command line on the same machine',
        body: CommandLineCodeBody,
        response: { 200: CommandLineCodeAnswer },
      },
    },
    async (request, reply) => {
      requireOwnOrigin(request);
      reply.header('cache-control', 'no-store');
      return { code: await commandLines.code(request.caller, request.body.challenge) };
    },
  );
  app.post(
    '/api/v1/auth/command-line/token',
    {
      config: { public: true },
      schema: {
        tags,
        summary: 'Exchange the code that a browser handed over',
        body: CommandLineTokenBody,
        response: { 200: CommandLineTokenAnswer },
      },
    },
    async (request, reply) => {
      requireOwnOrigin(request);
      reply.header('cache-control', 'no-store');
      return commandLines.redeem(request.body.code, request.body.verifier, originOf(request));
    },
  );

  // One page: people begin at the first address, and come back to the second from single sign-on.
  const page = { config: { public: true }, schema: { hide: true }, exposeHeadRoute: false };
  const show = (reply: FastifyReply, type: string, text: string) =>
    reply
      .header('cache-control', 'no-store')
      .header('content-security-policy', POLICY)
      .header('x-frame-options', 'DENY')
      .type(type)
      .send(text);
  for (const path of ['/login/command-line', '/login/sso'])
    app.get(path, page, async (_request, reply) => show(reply, 'text/html; charset=utf-8', PAGE));
  app.get('/login/command-line.js', page, async (_request, reply) =>
    show(reply, 'text/javascript; charset=utf-8', SCRIPT),
  );
}
