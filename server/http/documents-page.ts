import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';

const PAGE = '/api/docs';

/**
 * The page that shows the OpenAPI document. It holds some 25 MB of memory, and most servers never show it, so it is a
 * server of its own, loaded when somebody asks for it first.
 */
export function documentPage(app: FastifyInstance): void {
  let page: Promise<FastifyInstance> | undefined;
  app.addHook('onClose', async () => (await page)?.close());
  const show = async (request: FastifyRequest, reply: FastifyReply) => {
    page ??= load();
    const { statusCode, headers, rawPayload } = await (await page).inject({ method: 'GET', url: request.url });
    const { 'content-type': type, location } = headers;
    if (location !== undefined) reply.header('location', location);
    return reply.code(statusCode).type(String(type)).send(rawPayload);
  };
  for (const url of [PAGE, `${PAGE}/js/scalar.js`]) {
    app.get(url, { config: { public: true }, schema: { hide: true } }, show);
  }
}

async function load(): Promise<FastifyInstance> {
  const { default: reference } = await import('@scalar/fastify-api-reference');
  const page = Fastify();
  await page.register(reference, {
    routePrefix: PAGE,
    configuration: {
      url: `${PAGE}/json`,
      pageTitle: 'Hanzo KMS',
      // Nothing of the page comes from, or goes to, anybody else's host.
      withDefaultFonts: false,
      telemetry: false,
    },
  });
  await page.ready();
  return page;
}
