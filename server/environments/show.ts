import type { EnvironmentRow } from './store.ts';

export function show(row: EnvironmentRow) {
  const { id, name, slug, position, projectId, createdAt, updatedAt } = row;
  return {
    id,
    name,
    slug,
    position,
    projectId,
    createdAt: createdAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
  };
}
