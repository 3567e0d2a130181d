import type { FastifyInstance } from 'fastify';

/** A JSON schema as the OpenAPI document holds it. */
export interface Schema {
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly pattern?: string;
  readonly const?: unknown;
}

export interface Route {
  readonly name: string;
  readonly method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE';
  /** With its parameters in braces, as OpenAPI writes them. */
  readonly path: string;
  readonly params: readonly string[];
  readonly query: Schema;
  readonly body: Schema | undefined;
}

interface Parameter {
  readonly in: string;
  readonly name: string;
  readonly required?: boolean;
  readonly schema: Schema;
}

interface Operation {
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: { readonly 'application/json': { readonly schema: Schema } } };
}

/** Every route of the server, from the document that it serves; what deletes comes last, since the others need it there. */
export async function routesOf(app: FastifyInstance): Promise<Route[]> {
  await app.ready();
  const document = app.swagger() as unknown as { paths: Record<string, Record<string, Operation>> };
  const routes = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => toRoute(path, method.toUpperCase(), operation)),
  );
  return routes.sort((one, other) => Number(one.method === 'DELETE') - Number(other.method === 'DELETE'));
}

function toRoute(path: string, method: string, operation: Operation): Route {
  const parameters = operation.parameters ?? [];
  const query = parameters.filter((parameter) => parameter.in === 'query');
  return {
    name: `${method} ${path}`,
    method: method as Route['method'],
    path,
    params: parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => name),
    query: {
      type: 'object',
      properties: Object.fromEntries(query.map(({ name, schema }) => [name, schema])),
      required: query.filter(({ required }) => required).map(({ name }) => name),
    },
    body: operation.requestBody?.content['application/json'].schema,
  };
}

/** The route's URL with these parameters, which are put in as they are: encode what should arrive whole. */
export function urlOf(route: Route, params: Readonly<Record<string, string>>, query = ''): string {
  const path = route.path.replace(/\{(\w+)\}/g, (_, name: string) => params[name] ?? '');
  return query === '' ? path : `${path}?${query}`;
}
