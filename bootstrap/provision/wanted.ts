import type { Inventory } from '../../contracts/inventory.ts';
import { Email, Slug } from '../../contracts/names.ts';
import { loadInventory } from '../inventory/load.ts';
import { UserError } from '../problem.ts';

/** What shall exist in the end: of a file, of the command line, or of both. */
export async function wantedInventory(options: {
  readonly file?: string | undefined;
  readonly organizations: readonly string[];
  readonly adminEmails: readonly string[];
}): Promise<Inventory> {
  const slugs = options.organizations.map((slug) => checked('--organization', Slug, slug));
  const emails = options.adminEmails.map((email) => checked('--admin-email', Email, email));
  if (slugs.length === 0 && emails.length > 0)
    throw new UserError('--admin-email names the admins of --organization, and there is none');
  if (options.file === undefined && slugs.length === 0)
    throw new UserError('nothing is to be made', 'name an inventory by --file, or organizations by --organization');
  const inventory = options.file === undefined ? undefined : await loadInventory(options.file);
  const declared = (inventory?.organizations ?? []).map((organization) =>
    slugs.includes(organization.slug)
      ? { ...organization, admins: [...new Set([...organization.admins, ...emails])] }
      : organization,
  );
  const added = [...new Set(slugs)]
    .filter((slug) => declared.every((organization) => organization.slug !== slug))
    .map((slug) => ({ slug, admins: [...new Set(emails)], projects: [], identities: [] }));
  return { version: 1, organizations: [...declared, ...added] };
}

function checked(option: string, schema: typeof Slug | typeof Email, text: string): string {
  const parsed = schema.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new UserError(`${option}: "${text}": ${parsed.error.issues[0]?.message ?? 'is not right'}`);
}
