import type { Registration } from '../../contracts/index.ts';
import type { ProjectAccess } from '../access/access.ts';
import { BadGlob, Glob } from '../access/glob.ts';
import { invalid } from '../refusal.ts';
import type { Change } from './feed.ts';

type Conditions = NonNullable<Registration['conditions']>;

const GLOB = /[*?[\]{}\\()|!]/;

/**
 * Whether a caller may hear of changes there. A glob of paths is asked about as its environment: each change is asked about
 * again, with its own path and key.
 */
export function maySubscribe(access: ProjectAccess, at: Conditions | undefined, key?: string): boolean {
  if (at === undefined) return access.rights.may('subscribe', 'secrets');
  const path = GLOB.test(at.secretPath) ? undefined : at.secretPath;
  return access.rights.may('subscribe', 'secrets', { environment: at.environmentSlug, path, key });
}

/** What of the feed a subscription asked for. */
export function matcherOf(projectId: string, register: readonly Registration[]): (change: Change) => boolean {
  const asked = register.map(({ event, conditions }) => {
    const folder = conditions && folderMatcher(conditions.secretPath);
    return (change: Change) =>
      change.event === event &&
      (conditions === undefined || change.environment === conditions.environmentSlug) &&
      (folder === undefined || folder(change.path));
  });
  return (change) => change.projectId === projectId && asked.some((matches) => matches(change));
}

function folderMatcher(pattern: string): (path: string) => boolean {
  if (!GLOB.test(pattern)) {
    const plain = pattern === '/' ? '/' : pattern.replace(/\/$/, '');
    return (path) => path === plain;
  }
  const glob = new Glob(pattern);
  return (path) => glob.test(path);
}

/** Refuses globs that are none. @throws Refusal, a 422 that names the field */
export function checkGlobs(register: readonly Registration[]): void {
  for (const [n, { conditions }] of register.entries()) {
    if (conditions === undefined || !GLOB.test(conditions.secretPath)) continue;
    try {
      new Glob(conditions.secretPath);
    } catch (error) {
      if (!(error instanceof BadGlob)) throw error;
      throw invalid(['register', n, 'conditions', 'secretPath'], error.message);
    }
  }
}
