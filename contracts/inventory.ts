import { z } from 'zod';
import { DisplayName, Email, EnvironmentSlug, FolderPath, FreeText, SecretKey, Slug } from './names.ts';
import { OrganizationRole, ProjectRole } from './roles.ts';

/**
 * The inventory, `kms.yaml`: everything an instance should hold, without a single value. `kms-bootstrap` compares it with
 * the live server and makes the difference. Published as JSON Schema (inventory.schema.json) so that editors complete it.
 */

/** How the text of a generated secret is written. `url-safe` adds `-._~` to letters and digits (RFC 3986, unreserved). */
export const alphabets = ['alphanumeric', 'url-safe', 'hex', 'base64', 'base64url'] as const;
export type Alphabet = (typeof alphabets)[number];

/** What a kind that can be generated is made of. `length` counts characters of a password and bytes of a key. */
export interface Recipe {
  readonly unit: 'characters' | 'bytes';
  readonly length: number;
  readonly shortest: number;
  readonly longest: number;
  readonly alphabet: Alphabet;
  readonly alphabets: readonly Alphabet[];
}

/**
 * The kinds of secrets (HIP-27, "Secret Rotation Policy"), and who can make one: a recipe, or the reason why a person
 * has to set it. Passwords stay with letters and digits by default: a connection string, a shell or a database console
 * that rejects or re-reads `/`, `@`, `$` or `%` breaks only once, at night, after a rotation.
 */
export const secretKinds = {
  'database-password': {
    recipe: {
      unit: 'characters',
      length: 32,
      shortest: 16,
      longest: 128,
      alphabet: 'alphanumeric',
      alphabets: ['alphanumeric', 'url-safe', 'hex'],
    },
  },
  'encryption-key': {
    recipe: {
      unit: 'bytes',
      length: 32,
      shortest: 16,
      longest: 128,
      alphabet: 'base64',
      alphabets: ['base64', 'base64url', 'hex'],
    },
  },
  'jwt-signing-key': {
    recipe: {
      unit: 'bytes',
      length: 64,
      shortest: 32,
      longest: 128,
      alphabet: 'base64url',
      alphabets: ['base64', 'base64url', 'hex'],
    },
  },
  'oauth-client-secret': { setBy: 'the identity provider and the service must hold the same one' },
  'api-key': { setBy: 'a third party issues it' },
  value: { setBy: 'only the people who run the service know it' },
} as const satisfies Record<string, { recipe: Recipe } | { setBy: string }>;

export type SecretKind = keyof typeof secretKinds;
const kinds = Object.keys(secretKinds) as [SecretKind, ...SecretKind[]];

/** The recipe of a kind that can be generated; undefined where a person sets the value. */
export function recipeOf(kind: SecretKind): Recipe | undefined {
  const entry = secretKinds[kind];
  return 'recipe' in entry ? entry.recipe : undefined;
}

const SecretKind = z.enum(kinds).meta({
  description:
    'What the secret is. Generated when absent: database-password, encryption-key, jwt-signing-key. ' +
    'Set by a person: oauth-client-secret, api-key, value.',
});

const SecretDetails = z
  .strictObject({
    kind: SecretKind,
    environments: z
      .array(EnvironmentSlug)
      .min(1)
      .optional()
      .meta({ description: 'The environments that need this secret. Default: all of the project.' }),
    path: FolderPath.default('/').meta({ description: 'The folder of the secret; it is made when absent. Default: /' }),
    comment: FreeText(1_000)
      .optional()
      .meta({ description: 'What the secret is for, stored with it when it is generated. Never the value.' }),
    length: z.int().min(16).max(128).optional().meta({
      description:
        'Generated kinds only: characters of a database-password (default 32), bytes of an encryption-key (32) or jwt-signing-key (64).',
    }),
    alphabet: z
      .enum(alphabets)
      .optional()
      .meta({
        description:
          'Generated kinds only. Passwords: alphanumeric (default), url-safe, hex. Keys: base64, base64url, hex ' +
          '(default: base64 for an encryption-key, base64url for a jwt-signing-key).',
      }),
  })
  .superRefine((secret, context) => {
    const recipe = recipeOf(secret.kind);
    for (const field of ['length', 'alphabet'] as const) {
      if (recipe || secret[field] === undefined) continue;
      const message = `${field} says nothing here: a secret of the kind ${secret.kind} is not generated`;
      context.addIssue({ code: 'custom', path: [field], message });
    }
    if (!recipe) return;
    const { length, alphabet } = secret;
    if (length !== undefined && (length < recipe.shortest || length > recipe.longest)) {
      const message = `a ${secret.kind} has ${recipe.shortest} to ${recipe.longest} ${recipe.unit}`;
      context.addIssue({ code: 'custom', path: ['length'], message });
    }
    if (alphabet !== undefined && !recipe.alphabets.includes(alphabet)) {
      const message = `a ${secret.kind} is written in ${recipe.alphabets.join(', ')}`;
      context.addIssue({ code: 'custom', path: ['alphabet'], message });
    }
  });

/** A declared secret: its kind alone, or the kind with details. There is no field for the value, on purpose. */
const DeclaredSecret = z.union([
  SecretKind.transform((kind): z.output<typeof SecretDetails> => ({ kind, path: '/' })),
  SecretDetails,
]);

/** An environment: its slug alone, or the slug with a name for people. */
const DeclaredEnvironment = z.union([
  EnvironmentSlug.transform((slug): { slug: string; name?: string | undefined } => ({ slug })),
  z.strictObject({ slug: EnvironmentSlug, name: DisplayName.optional() }),
]);

const Project = z.strictObject({
  slug: Slug.meta({ description: 'Unique within its organization; services name it in their requests.' }),
  name: DisplayName.optional().meta({
    description: 'A name for people. Default: the slug, and left alone afterwards.',
  }),
  description: FreeText(1_024).optional().meta({ description: 'What the project is for.' }),
  environments: z
    .array(DeclaredEnvironment)
    .min(1)
    .default([{ slug: 'dev' }, { slug: 'staging' }, { slug: 'prod' }])
    .meta({ description: 'Default: dev, staging, prod. `production` means `prod`.' }),
  folders: z.array(FolderPath).default([]).meta({
    description: 'Folders that exist in every environment, such as /database. Those of secrets need not be listed.',
  }),
  secrets: z
    .record(SecretKey, DeclaredSecret)
    .default({})
    .meta({ description: 'Name of the secret: its kind. Never its value.' }),
});

const Access = z.strictObject({
  project: Slug.meta({ description: 'A project of the same organization.' }),
  role: ProjectRole.meta({ description: 'admin, developer (alias: member), ci, viewer or no-access.' }),
  environments: z
    .array(EnvironmentSlug)
    .min(1)
    .optional()
    .meta({ description: 'Narrows the role to these environments. Default: all that the role reaches.' }),
});

const Identity = z.strictObject({
  name: DisplayName.meta({
    description: 'A machine identity, such as gateway-service; unique within its organization.',
  }),
  role: OrganizationRole.default('no-access').meta({
    description: 'Its role in the organization. Default: no-access, which leaves it with its projects alone.',
  }),
  projects: z.array(Access).default([]).meta({ description: 'What it may do, project by project.' }),
});

const Organization = z.strictObject({
  slug: Slug.meta({ description: 'Unique within the instance.' }),
  name: DisplayName.optional().meta({
    description: 'A name for people. Default: the slug, and left alone afterwards.',
  }),
  admins: z.array(Email).default([]).meta({ description: 'E-mail addresses of the people who run the organization.' }),
  projects: z.array(Project).default([]),
  identities: z.array(Identity).default([]),
});

export const Inventory = z
  .strictObject({
    version: z.literal(1).meta({ description: 'The version of this file format.' }),
    organizations: z.array(Organization).min(1),
  })
  .meta({
    title: 'Hanzo KMS inventory',
    description:
      'Organizations, people, projects, environments, declared secrets and machine identities. Never a value.',
  });

export type Inventory = z.output<typeof Inventory>;
export type DeclaredOrganization = Inventory['organizations'][number];
export type DeclaredProject = DeclaredOrganization['projects'][number];
export type DeclaredIdentity = DeclaredOrganization['identities'][number];
export type DeclaredAccess = DeclaredIdentity['projects'][number];
export type DeclaredSecret = DeclaredProject['secrets'][string];

/** The JSON Schema of kms.yaml. Draft 7: what the YAML language server of editors reads best. */
export function inventoryJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(Inventory, { target: 'draft-7', io: 'input' }) as Record<string, unknown>;
}
