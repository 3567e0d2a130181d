/** What the world has, by the name of the field that takes it. */
export type Values = Readonly<Record<string, readonly string[]>>;

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}
interface Operation {
  readonly parameters?: readonly { readonly name: string; example?: unknown }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
}
interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly items?: Schema;
  example?: unknown;
}

/** Other names under which routes take what the world has. */
export const ALIASES: Readonly<Record<string, readonly string[]>> = {
  projectId: ['workspaceId'],
  projectSlug: ['workspaceSlug'],
  organizationId: ['orgId'],
  organizationSlug: ['orgSlug'],
  secretPath: ['sourceSecretPath', 'destinationSecretPath'],
  environment: ['sourceEnvironment', 'destinationEnvironment'],
};

/**
 * The OpenAPI document, with things that exist as the examples of its fields: made-up ids meet 404s alone, and no answer
 * with content would ever be compared with its schema.
 */
export function withExamples(document: Document, values: Values): Document {
  const known = new Map(
    Object.entries(values).flatMap(([name, [first]]) =>
      [name, ...(ALIASES[name] ?? [])].map((alias) => [alias, first] as const),
    ),
  );
  const copy = structuredClone(document);
  for (const [path, operations] of Object.entries(copy.paths)) {
    const here = new Map(known);
    if (path.includes('/organizations/')) here.set('membershipId', values.organizationMembershipId![0]);
    if (path.includes('{slug}')) here.set('slug', values.projectSlug![0]);
    for (const { parameters = [], requestBody } of Object.values(operations)) {
      for (const parameter of parameters) give(parameter, here.get(parameter.name));
      for (const { schema } of Object.values(requestBody?.content ?? {})) fill(copy, schema, here, new Set());
    }
  }
  return copy;
}

function give(field: { example?: unknown }, value: unknown): void {
  if (value !== undefined) field.example = value;
}

function fill(document: Document, schema: Schema, known: ReadonlyMap<string, unknown>, seen: Set<Schema>): void {
  const found = schema.$ref ? document.components.schemas[schema.$ref.split('/').at(-1)!]! : schema;
  if (seen.has(found)) return;
  seen.add(found);
  for (const [name, property] of Object.entries(found.properties ?? {})) {
    if (property.type === 'string' || property.anyOf) give(property, known.get(name));
    fill(document, property, known, seen);
  }
  for (const part of [found.anyOf, found.oneOf, found.allOf, found.items].flat()) {
    if (part) fill(document, part, known, seen);
  }
}
