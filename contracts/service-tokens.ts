import { z } from 'zod';
import { Timestamp } from './http.ts';
import { EnvironmentSlug, FolderPath, FreeText, PlainText, Uuid } from './names.ts';

/** Infisical's service tokens (`st.`): a text that reads, or also writes, secrets in a part of one project. */

/** What a service token may do. `read` shows secrets and folders; `readValue` is a part of it; `write` makes, changes and deletes secrets. */
export const serviceTokenPermissions = ['read', 'write', 'readValue'] as const;
export type ServiceTokenPermission = (typeof serviceTokenPermissions)[number];

const isGlob = (path: string) => /[*?[{]/.test(path);
const ScopePath = z
  .string()
  .trim()
  .max(256)
  .transform((path) => (path.length > 1 ? path.replace(/\/$/, '') : path))
  .refine((path) => path.startsWith('/'), 'a path begins with "/"')
  .refine((path) => isGlob(path) || FolderPath.safeParse(path).success, 'no folder can have this path')
  .refine((path) => path.split('/').every((name) => name !== '.' && name !== '..'), 'a path holds no "." and no ".."');

const Scope = z.object({
  environment: EnvironmentSlug,
  secretPath: ScopePath.describe('a folder, or a glob of folders: `/` is the root alone, `/**` everything'),
});
export type ServiceTokenScope = z.infer<typeof Scope>;

/** Whether a scope names one folder, and not a glob of them. */
export const isOneFolder = ({ secretPath }: ServiceTokenScope): boolean => !isGlob(secretPath);

const foreign = FreeText(10_000).nullish().describe('of end-to-end encryption; ignored');

export const CreateServiceTokenBody = z.object({
  name: z.string().trim().pipe(PlainText(255)),
  workspaceId: z.string().trim().pipe(Uuid).describe('project id'),
  scopes: z.array(Scope).min(1).max(100),
  permissions: z.array(z.enum(serviceTokenPermissions)).max(10),
  expiresIn: z.number().int().min(0).max(2_147_483_647).nullish().describe('seconds; null or 0: never'),
  encryptedKey: foreign,
  iv: foreign,
  tag: foreign,
});
export type CreateServiceTokenBody = z.infer<typeof CreateServiceTokenBody>;

export const ServiceTokenParams = z.object({ serviceTokenId: Uuid });
export const ServiceTokensParams = z.object({ projectId: Uuid });

const ServiceTokenData = z.object({
  id: Uuid,
  name: z.string(),
  projectId: Uuid,
  scopes: z.array(z.object({ environment: z.string(), secretPath: z.string() })),
  permissions: z.array(z.enum(serviceTokenPermissions)),
  createdBy: z.string().describe('who made it; empty when that is gone'),
  expiresAt: Timestamp.nullable(),
  lastUsed: Timestamp.nullable(),
  createdAt: Timestamp,
  updatedAt: Timestamp,
});

export const NewServiceTokenAnswer = z.object({ serviceToken: z.string(), serviceTokenData: ServiceTokenData });
export const ServiceTokenDataAnswer = z.object({ serviceTokenData: ServiceTokenData });
export const ServiceTokensAnswer = z.object({ serviceTokenData: z.array(ServiceTokenData) });

/** What a service token learns of itself. Infisical's clients parse the person who made it, whoever that was. */
export const OwnServiceTokenAnswer = ServiceTokenData.extend({
  _id: Uuid,
  __v: z.number().int(),
  workspace: Uuid,
  user: z.object({
    id: z.string(),
    _id: z.string(),
    __v: z.number().int(),
    email: z.string().nullable(),
    username: z.string(),
    firstName: z.string(),
    lastName: z.string(),
  }),
});
