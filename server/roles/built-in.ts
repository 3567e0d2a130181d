import { builtInRoleIds, type ProjectRole, projectRoles, type Rule } from '../../contracts/index.ts';
import type { RoleRow } from './store.ts';

const NAMES: Readonly<Record<ProjectRole, string>> = {
  admin: 'Admin',
  developer: 'Developer',
  ci: 'CI',
  viewer: 'Viewer',
  'no-access': 'No access',
};

/** The built-in roles as a project's roles. They are as old as the rules themselves: no project made them. */
export function builtInRoles(projectId: string): RoleRow[] {
  return (Object.entries(projectRoles) as [ProjectRole, readonly Rule[]][]).map(([slug, permissions]) => ({
    id: builtInRoleIds[slug],
    projectId,
    slug,
    name: NAMES[slug],
    description: '',
    permissions,
    createdAt: new Date(0),
    updatedAt: new Date(0),
  }));
}
