import type { Rule } from '../../contracts/index.ts';

/** What a role says. Roles of projects and of organizations are rows of two tables that hold it in the same form. */
export interface RoleWording {
  readonly slug: string;
  readonly name: string;
  readonly description: string;
  readonly permissions: readonly Rule[];
}

/** What shall be different about a role; what is absent stays. */
export interface RoleChange {
  readonly slug?: string | undefined;
  readonly name?: string | undefined;
  readonly description?: string | null | undefined;
  readonly permissions?: readonly Rule[] | undefined;
}

/** A wording, or a change of one, as a statement takes it: slug, name, description, rules; null for what stays. */
export const wordingValues = ({ slug, name, description, permissions }: RoleChange) => [
  slug ?? null,
  name ?? null,
  description ?? null,
  permissions === undefined ? null : JSON.stringify(permissions),
];

/** A role as the audit tells of it. */
export const describedRole = ({ id: roleId, slug, name, permissions }: RoleWording & { readonly id: string }) => ({
  roleId,
  slug,
  name,
  permissions,
});
