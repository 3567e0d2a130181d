import type { Db } from '../database/database.ts';
import { notFound, type Refusal } from '../refusal.ts';
import { environmentSlugs } from './store.ts';

/** The project as the caller reached it: only readers of a project are told what is in it. */
interface Reached {
  readonly id: string;
  readonly slug: string;
}

/** A mistyped environment is an error that names it, never an empty list. */
export async function noEnvironment(db: Db, project: Reached, environment: string): Promise<Refusal> {
  const known = await environmentSlugs(db, project.id);
  return notFound(
    `environment "${environment}" not found in project "${project.slug}": it has ${known.join(', ') || 'none'}`,
  );
}

export const noFolder = (project: string, environment: string, path: string): Refusal =>
  notFound(`folder "${path}" not found in environment "${environment}" of project "${project}"`);
