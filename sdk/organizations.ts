import type { z } from 'zod';
import {
  MembershipAnswer,
  type Organization,
  OrganizationAnswer,
  type OrganizationMembership,
  OrganizationsAnswer,
  OrganizationUsersAnswer,
} from '../contracts/organizations.ts';
import type { OrganizationRole } from '../contracts/roles.ts';
import type { Session } from './session.ts';

/** Organizations and their people. */
export class Organizations {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  /** Those that the caller may see. */
  async list(): Promise<z.infer<typeof Organization>[]> {
    const call = { method: 'GET', path: '/api/v1/organization', answer: OrganizationsAnswer } as const;
    return (await this.#session.call(call)).organizations;
  }

  /** Makes an organization; its maker becomes its admin. Takes an instance admin. @throws Conflict when the slug is taken */
  async create(body: { name: string; slug: string }): Promise<z.infer<typeof Organization>> {
    const call = { method: 'POST', path: '/api/v2/organizations', body, answer: OrganizationAnswer } as const;
    return (await this.#session.call(call)).organization;
  }

  /** Renames it; the slug stays. */
  async update(id: string, body: { name: string }): Promise<z.infer<typeof Organization>> {
    const call = { method: 'PATCH', path: `/api/v1/organization/${id}`, body, answer: OrganizationAnswer } as const;
    return (await this.#session.call(call)).organization;
  }

  /** Its people, those included who were invited and have not come yet. */
  async members(id: string): Promise<z.infer<typeof OrganizationMembership>[]> {
    const path = `/api/v2/organizations/${id}/memberships`;
    return (await this.#session.call({ method: 'GET', path, answer: OrganizationUsersAnswer })).users;
  }

  /** Adds a person by e-mail address; one that nobody knows yet becomes an invited user. */
  async addMember(
    id: string,
    body: { email: string; role: OrganizationRole },
  ): Promise<z.infer<typeof OrganizationMembership>> {
    const path = `/api/v2/organizations/${id}/memberships`;
    return (await this.#session.call({ method: 'POST', path, body, answer: MembershipAnswer })).membership;
  }

  /** Gives a person another role in it. One admin is always left. */
  async updateMember(
    id: string,
    membershipId: string,
    role: OrganizationRole,
  ): Promise<z.infer<typeof OrganizationMembership>> {
    const path = `/api/v2/organizations/${id}/memberships/${membershipId}`;
    return (await this.#session.call({ method: 'PATCH', path, body: { role }, answer: MembershipAnswer })).membership;
  }
}
