import type { Kms } from '../../sdk/index.ts';
import { Ids } from '../live/ids.ts';
import type { MissingValue } from '../plan/steps.ts';

/** What the trial stores where a person would have to set a value. Nobody can take it for a real one. */
const placeholderOf = (key: string) => `placeholder-${key}-replace-me`;

/** Fills declared secrets that nobody has set. The trial alone does this; `kms-bootstrap` never stores a stand-in. */
export async function fillPlaceholders(kms: Kms, ids: Ids, missing: readonly MissingValue[]): Promise<void> {
  const folders = Map.groupBy(missing, ({ organization, project, environment, path }) =>
    JSON.stringify([organization, project, environment, path]),
  );
  for (const secrets of folders.values()) {
    const { organization, project, environment, path } = secrets[0] as MissingValue;
    const projectId = Ids.of(ids.project, organization, project);
    const values = secrets.map(({ key }) => ({
      secretKey: key,
      secretValue: placeholderOf(key),
      secretComment: COMMENT,
    }));
    await kms.secrets.createMany(values, { projectId, environment, secretPath: path });
  }
}

const COMMENT = 'A placeholder of the local trial: set the real value.';
