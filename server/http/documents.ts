import swagger from '@fastify/swagger';
import reference from '@scalar/fastify-api-reference';
import type { FastifyInstance } from 'fastify';
import { jsonSchemaTransform } from 'fastify-type-provider-zod';

/** The OpenAPI document, made from the very schemas that check the requests: a page at `/api/docs`, JSON below it. */
export async function documentApi(app: FastifyInstance, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Hanzo KMS',
        version,
        description: "Secrets over HTTP, compatible with Infisical's API (HIP-27).",
      },
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
      security: [{ bearer: [] }],
    },
    transform: jsonSchemaTransform,
  });
  app.get('/api/docs/json', { config: { public: true }, schema: { hide: true } }, async () => app.swagger());
  await app.register(async (scope) => {
    scope.addHook('onRoute', (route) => {
      route.config = { ...route.config, public: true };
    });
    await scope.register(reference, {
      routePrefix: '/api/docs',
      configuration: {
        url: '/api/docs/json',
        pageTitle: 'Hanzo KMS',
        // Nothing of the page comes from, or goes to, anybody else's host.
        withDefaultFonts: false,
        telemetry: false,
      },
    });
  });
}
