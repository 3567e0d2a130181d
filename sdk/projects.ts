import type { z } from 'zod';
import { ExplainAnswer } from '../contracts/access.ts';
import { ImportsAnswer, type SecretImport } from '../contracts/imports.ts';
import type { Action } from '../contracts/permissions.ts';
import {
  ChangedEnvironmentAnswer,
  type Environment,
  type Folder,
  FolderAnswer,
  FoldersAnswer,
  type Project,
  ProjectAnswer,
  ProjectsAnswer,
} from '../contracts/projects.ts';
import type { Session } from './session.ts';

/** Projects with their environments and folders. */
export class Projects {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  /** Those that the caller may see; of one organization, when it is named. */
  async list(organizationId?: string): Promise<Project[]> {
    const query = { organizationId };
    return (await this.#session.call({ method: 'GET', path: '/api/v1/projects', query, answer: ProjectsAnswer }))
      .projects;
  }

  /** `shouldCreateDefaultEnvs` (default true) makes dev, staging and prod along with it. */
  async create(body: {
    projectName: string;
    slug: string;
    organizationId: string;
    projectDescription?: string;
    shouldCreateDefaultEnvs?: boolean;
  }): Promise<Project> {
    return (await this.#session.call({ method: 'POST', path: '/api/v1/projects', body, answer: ProjectAnswer }))
      .project;
  }

  /** Renames it, or describes it anew; the slug stays. */
  async update(projectId: string, body: { name?: string; description?: string }): Promise<Project> {
    const path = `/api/v1/projects/${projectId}`;
    return (await this.#session.call({ method: 'PATCH', path, body, answer: ProjectAnswer })).project;
  }

  /** Adds an environment behind those that are there. @throws Conflict when the slug is taken */
  async createEnvironment(
    projectId: string,
    body: { slug: string; name: string },
  ): Promise<z.infer<typeof Environment>> {
    const path = `/api/v1/workspace/${projectId}/environments`;
    return (await this.#session.call({ method: 'POST', path, body, answer: ChangedEnvironmentAnswer })).environment;
  }

  /** Renames an environment; the slug, which programs know, stays. */
  async updateEnvironment(
    projectId: string,
    environmentId: string,
    body: { name: string },
  ): Promise<z.infer<typeof Environment>> {
    const path = `/api/v1/workspace/${projectId}/environments/${environmentId}`;
    return (await this.#session.call({ method: 'PATCH', path, body, answer: ChangedEnvironmentAnswer })).environment;
  }

  /** The folders in a place (default: the root); with `recursive` those below them too. */
  async folders(
    at: { projectId: string; environment: string; path?: string },
    options: { recursive?: boolean } = {},
  ): Promise<z.infer<typeof Folder>[]> {
    const query = {
      workspaceId: at.projectId,
      environment: at.environment,
      path: at.path ?? '/',
      recursive: options.recursive === true,
    };
    return (await this.#session.call({ method: 'GET', path: '/api/v1/folders', query, answer: FoldersAnswer })).folders;
  }

  /** What a folder imports, in order: of one key in several the later wins. */
  async imports(at: { projectId: string; environment: string; path: string }): Promise<SecretImport[]> {
    const call = { method: 'GET', path: '/api/v2/secret-imports', query: at, answer: ImportsAnswer } as const;
    return (await this.#session.call(call)).secretImports;
  }

  /**
   * Whether somebody may do something in a project, and by which role and rule.
   *
   * @param question.actorId of somebody else only for whoever may change members. @default - the caller
   */
  async explain(
    projectId: string,
    question: { actorId?: string; action: Action; environment?: string; path?: string; key?: string },
  ): Promise<ExplainAnswer> {
    const path = `/api/v1/projects/${projectId}/access/explain`;
    return this.#session.call({ method: 'GET', path, query: question, answer: ExplainAnswer });
  }

  /** Makes the folder `name` in the folder `path`, which must exist. */
  async createFolder(
    at: { projectId: string; environment: string; path: string },
    name: string,
  ): Promise<z.infer<typeof Folder>> {
    const body = { workspaceId: at.projectId, environment: at.environment, path: at.path, name };
    return (await this.#session.call({ method: 'POST', path: '/api/v1/folders', body, answer: FolderAnswer })).folder;
  }
}
