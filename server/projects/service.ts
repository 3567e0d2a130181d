import type { CreateProjectBody, SearchProjects, UpdateProjectBody } from '../../contracts/index.ts';
import { defaultEnvironments } from '../../contracts/index.ts';
import type { Access, Caller, ProjectReference } from '../access/access.ts';
import type { Audit } from '../audit/audit.ts';
import type { Database } from '../database/database.ts';
import { takenAs } from '../database/taken.ts';
import { insertEnvironment } from '../environments/store.ts';
import type { Keyring } from '../keyring/keyring.ts';
import { onlyOrganization, organizationOfSlug } from '../organizations/only.ts';
import { badRequest } from '../refusal.ts';
import { builtInRoles } from '../roles/built-in.ts';
import { listRolesOf, type RoleRow } from '../roles/store.ts';
import { randomSuffix, slugFor } from '../slugs.ts';
import {
  deleteProject,
  type FoundProject,
  findProject,
  insertProject,
  insertProjectMember,
  type ProjectRow,
  projectsOf,
  searchProjects,
  updateProject,
} from './store.ts';

/** @default all of it */
interface Page {
  readonly offset?: number | undefined;
  readonly limit?: number | undefined;
}

/** Projects: one per deployable service (HIP-27, "Projects"). */
export class Projects {
  readonly #db: Database;
  readonly #access: Access;
  readonly #audit: Audit;
  readonly #keyring: Keyring;

  constructor(options: { db: Database; access: Access; audit: Audit; keyring: Keyring }) {
    this.#db = options.db;
    this.#access = options.access;
    this.#audit = options.audit;
    this.#keyring = options.keyring;
  }

  /** Makes a project with its key and its environments; its maker is its admin, person or machine. */
  async create(caller: Caller, given: CreateProjectBody): Promise<ProjectRow> {
    const organizationId = given.organizationId ?? (await this.#organizationOf(caller, given.organizationSlug));
    const need = { action: 'create', subject: 'workspace' } as const;
    const access = await this.#access.organizationWith(caller, organizationId, need, 'create-project');
    const { actor, organization } = access;
    const slug = given.slug ?? `${slugFor(given.projectName).slice(0, 59).replace(/-+$/, '')}-${randomSuffix()}`;
    return takenAs(`project "${slug}" exists already in this organization`, () =>
      this.#access.changeOrganization(access, async (tx) => {
        const id = await insertProject(tx, {
          organizationId,
          slug,
          name: given.projectName,
          description: given.projectDescription ?? '',
          deleteProtection: given.hasDeleteProtection,
        });
        await this.#keyring.addProjectKey(tx, id);
        // Admins of the organization hold every right already; a membership of theirs would only be left behind.
        if (organization.role !== 'admin') await insertProjectMember(tx, id, actor.id, 'admin');
        for (const environment of given.shouldCreateDefaultEnvs ? defaultEnvironments : []) {
          await insertEnvironment(tx, { projectId: id, ...environment });
        }
        await this.#audit.writeWithin(tx, [
          {
            action: 'create',
            event: 'create-project',
            outcome: 'allowed',
            actor,
            organizationId,
            project: { id, slug },
            origin: caller.origin,
          },
        ]);
        return (await findProject(tx, id))!;
      }),
    );
  }

  async #organizationOf(caller: Caller, slug: string | undefined): Promise<string> {
    const actor = await this.#access.actor(caller);
    return slug === undefined ? onlyOrganization(this.#db, actor) : organizationOfSlug(this.#db, actor, slug);
  }

  /** The roles of projects, for those who may invite people to their organizations: whoever invites gives roles. */
  async rolesOf(caller: Caller, projects: readonly ProjectRow[]): Promise<Map<string, RoleRow[]>> {
    for (const organizationId of new Set(projects.map((project) => project.organizationId)))
      await this.#access.organizationWith(
        caller,
        organizationId,
        { action: 'create', subject: 'member' },
        'list-roles',
      );
    const ids = projects.map(({ id }) => id);
    const own = Map.groupBy(await listRolesOf(this.#db, ids), ({ projectId }) => projectId);
    return new Map(ids.map((id) => [id, [...builtInRoles(id), ...(own.get(id) ?? [])]]));
  }

  async list(caller: Caller, organizationId: string | undefined, page: Page = {}): Promise<ProjectRow[]> {
    const [actorId, within] = await this.#looker(caller, organizationId);
    return projectsOf(this.#db, actorId, within, page);
  }

  /** Looks among the projects that the caller can see. Infisical tells names of the others too; here they are nobody's business. */
  async search(caller: Caller, asked: SearchProjects): Promise<{ found: FoundProject[]; count: number }> {
    const [actorId, within] = await this.#looker(caller, undefined);
    const { name, projectIds, orderDirection, offset, limit } = asked;
    const descending = orderDirection === 'desc';
    return searchProjects(this.#db, actorId, within, { name, ids: projectIds ?? undefined, descending, offset, limit });
  }

  /** Who looks, and in which organization; in all of its own when there is none. */
  async #looker(caller: Caller, organizationId: string | undefined): Promise<[string, string | undefined]> {
    const actor =
      organizationId === undefined
        ? await this.#access.actor(caller)
        : (await this.#access.organization(caller, organizationId)).actor;
    return [actor.id, organizationId ?? actor.boundTo ?? undefined];
  }

  async get(caller: Caller, reference: ProjectReference): Promise<ProjectRow> {
    const { project } = await this.#access.project(caller, reference, { action: 'read', subject: 'workspace' });
    return (await findProject(this.#db, project.id))!;
  }

  async update(caller: Caller, reference: ProjectReference, change: UpdateProjectBody): Promise<ProjectRow> {
    const need = { action: 'edit', subject: 'workspace' } as const;
    const allowed = await this.#access.project(caller, reference, need);
    return takenAs(`project "${change.slug}" exists already in this organization`, () =>
      this.#access.change(allowed, [need], async (tx, audit) => {
        await updateProject(tx, allowed.project.id, change);
        await audit([{ action: 'update', event: 'update-project', metadata: { ...change } }]);
        return (await findProject(tx, allowed.project.id))!;
      }),
    );
  }

  /** Deletes a project with all of its secrets. One under delete protection stays. */
  async remove(caller: Caller, reference: ProjectReference): Promise<ProjectRow> {
    const need = { action: 'delete', subject: 'workspace' } as const;
    const allowed = await this.#access.project(caller, reference, need);
    return this.#access.change(allowed, [need], async (tx, audit) => {
      const project = (await findProject(tx, allowed.project.id))!;
      if (project.deleteProtection) {
        throw badRequest(
          `project "${project.slug}" is protected from deletion; set hasDeleteProtection to false first`,
        );
      }
      await audit([{ action: 'delete', event: 'delete-project' }]);
      await deleteProject(tx, project.id);
      return project;
    });
  }
}
