import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { ErrorBody } from '../../contracts/index.ts';

/** Answers of this worker that are not what the OpenAPI document says. The set-up file fails the test that they came in. */
const breaches: string[] = [];

export function takeBreaches(): string[] {
  return breaches.splice(0);
}

type Responses = Readonly<
  Record<string, { readonly content?: Readonly<Record<string, { readonly schema: unknown }>> }>
>;
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, { readonly responses: Responses }>>>>;
  readonly components?: { readonly schemas?: Readonly<Record<string, unknown>> };
}

const StrictError = ErrorBody.strict();

/**
 * Holds every answer of an app to its own OpenAPI document: the status must be one that the route names, and the body must
 * fit that status' schema, without a field more. Whatever way the request came: injected, or over a socket.
 */
export function holdToContract(app: FastifyInstance): void {
  const routes: string[] = [];
  app.addHook('onRoute', ({ method, url }) => {
    routes.push(`${method} ${url}`);
  });
  let contract: Contract | undefined;
  app.addHook('onSend', async (request, reply, payload) => {
    contract ??= contractOf(app, routes.join('\n'));
    const fault = faultOf(contract, request, reply, payload);
    if (fault !== undefined) {
      breaches.push(
        `${request.method} ${request.routeOptions.url ?? 'no route'} answered ${reply.statusCode}: ${fault}`,
      );
    }
    return payload;
  });
}

interface Contract {
  readonly document: Document;
  /** The schemas of answers met so far, by method, address and status. */
  readonly known: Map<string, z.ZodType | undefined>;
}

/** By the list of routes. A document takes half a second to make, and a worker starts hundreds of servers of the same code. */
const contracts = new Map<string, Contract>();

function contractOf(app: FastifyInstance, routes: string): Contract {
  const made = contracts.get(routes) ?? { document: app.swagger() as unknown as Document, known: new Map() };
  contracts.set(routes, made);
  return made;
}

function faultOf(
  { document, known }: Contract,
  request: FastifyRequest,
  reply: FastifyReply,
  payload: unknown,
): string | undefined {
  const { url } = request.routeOptions;
  const status = reply.statusCode;
  if (request.is404 || url === undefined) return status === 404 ? misfit(StrictError, payload) : undefined;
  const schema = request.routeOptions.schema as { hide?: boolean } | undefined;
  if (schema === undefined || schema.hide) return undefined;
  const method = request.method.toLowerCase();
  const name = `${method} ${url} ${status}`;
  if (!known.has(name)) {
    const path = url.replace(/:(\w+)/g, '{$1}');
    const operation = document.paths[path]?.[method === 'head' ? 'get' : method];
    if (operation === undefined) return 'the route is not documented';
    const response = operation.responses[status];
    if (response === undefined) return `the status is not documented; there are ${Object.keys(operation.responses)}`;
    known.set(name, schemaOf(document, response, status));
  }
  const type = String(reply.getHeader('content-type') ?? '');
  if (method === 'head' || !type.startsWith('application/json')) return undefined;
  const expected = known.get(name);
  return expected === undefined ? 'no body is documented' : misfit(expected, payload);
}

function schemaOf(document: Document, response: Responses[string], status: number): z.ZodType | undefined {
  if (status >= 400) return StrictError;
  const schema = response.content?.['application/json']?.schema;
  if (schema === undefined) return undefined;
  const $defs = { ...document.components?.schemas, ...(schema as { $defs?: object }).$defs };
  const inlined = JSON.stringify({ ...(schema as object), $defs }).replaceAll('#/components/schemas/', '#/$defs/');
  return z.fromJSONSchema(JSON.parse(inlined));
}

function misfit(schema: z.ZodType, payload: unknown): string | undefined {
  if (typeof payload !== 'string' && !Buffer.isBuffer(payload)) return 'the body is neither text nor bytes';
  const result = schema.safeParse(JSON.parse(payload.toString()));
  // Without the values: this text goes to the terminal.
  return result.success ? undefined : result.error.issues.map(tellIssue).join('; ');
}

function tellIssue(issue: z.core.$ZodIssue): string {
  const more = issue.code === 'unrecognized_keys' ? ` ${issue.keys.join(', ')}` : '';
  return `${issue.path.join('.')} ${issue.code}${more}`;
}
