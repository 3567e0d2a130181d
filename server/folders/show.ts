import type { ShownFolder } from './service.ts';

export function show(row: ShownFolder) {
  const { id, name, path, description, version, environmentId: envId, parentId, createdAt, updatedAt } = row;
  return {
    id,
    name,
    path,
    description,
    version,
    envId,
    parentId,
    isReserved: false,
    lastSecretModified: row.lastSecretModified?.toISOString() ?? null,
    createdAt: createdAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
  };
}

/** One folder by its id: says where it is, too. */
export function showPlaced(row: ShownFolder) {
  const { projectId, environmentId: envId, environmentName: envName, environment: envSlug } = row;
  return { ...show(row), projectId, environment: { envId, envName, envSlug } };
}

/** A folder of a recursive list: also says where it is from the folder that was asked for, beginning with "/". */
export function showListed(row: ShownFolder, from: string) {
  return { ...show(row), relativePath: from === '/' ? row.path : row.path.slice(from.length) };
}
