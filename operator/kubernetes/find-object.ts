import type { KubernetesApi, Place } from './api.ts';
import { KubernetesError } from './errors.ts';
import type { KubernetesObject, Resource } from './resources.ts';

/** An object, or undefined when it is not there. @throws KubernetesError where that cannot be told */
export async function findObject<Found extends KubernetesObject>(
  api: Pick<KubernetesApi, 'get'>,
  of: Resource<Found>,
  place: Place,
): Promise<Found | undefined> {
  try {
    return await api.get(of, place);
  } catch (error) {
    if (error instanceof KubernetesError && error.isNotFound) return undefined;
    throw error;
  }
}
