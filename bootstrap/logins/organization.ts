import type { Session } from '../../sdk/session.ts';
import { listOf, object, readerOf, text } from '../../sdk/shape.ts';
import { UserError } from '../problem.ts';

type Named = readonly { readonly id: string; readonly slug: string }[];

const OrganizationsAnswer = readerOf<{ readonly organizations: Named }>(
  object({ organizations: listOf(object({ id: text, slug: text })) }),
);

/** The organizations of a session, as far as they are needed to find one: without the client of everything. */
export const organizationsOf = (session: Session) => ({
  async list(): Promise<Named> {
    const call = { method: 'GET', path: '/api/v1/organization', answer: OrganizationsAnswer } as const;
    return (await session.call(call)).organizations;
  },
});

/** An organization by its slug. @throws UserError that names those that the caller can see */
export async function organizationIdOf(seen: { list(): Promise<Named> }, slug: string): Promise<string> {
  const organizations = await seen.list();
  const found = organizations.find((organization) => organization.slug === slug);
  if (found) return found.id;
  throw new UserError(
    `no organization "${slug}" among those you can see: ${organizations.map((one) => one.slug).join(', ') || 'none'}`,
  );
}
