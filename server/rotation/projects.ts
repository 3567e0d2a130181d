import { ConfigError } from '../config.ts';
import { type IsNewKey, rotateProject } from './project.ts';
import { type Rotation, RotationStopped } from './rotation.ts';
import { findProjects } from './store.ts';

/**
 * Rotates the keys of a project, or of all of them, one after the other; one that cannot go to its end does not stop the others.
 *
 * @throws RotationStopped, naming what does not open
 */
export async function rotateProjects(on: Rotation, name: string | undefined, isNew?: IsNewKey): Promise<void> {
  const projects = await findProjects(on.db, name);
  if (name !== undefined && projects.length === 0) throw new ConfigError(`there is no project "${name}"`);
  if (name !== undefined && projects.length > 1) {
    const ids = projects.map(({ id }) => id).join(', ');
    throw new ConfigError(`${projects.length} organizations have a project "${name}"; name one by its id: ${ids}`);
  }
  const failed: string[] = [];
  for (const [done, project] of projects.entries()) {
    try {
      const { version, rows } = await rotateProject(on, project, isNew);
      on.say(
        `${done + 1} of ${projects.length}: project ${project.slug} is at version ${version}, ${rows} rows sealed anew`,
      );
    } catch (error) {
      if (!(error instanceof RotationStopped)) throw error;
      failed.push(error.message);
    }
  }
  if (failed.length > 0) throw new RotationStopped(failed.join('\n'));
}
