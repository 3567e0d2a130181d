import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UserError } from '../problem.ts';

/** What the local trial works with, all of it below one folder. */
export interface TrialSettings {
  readonly port: number;
  /** The folder of everything that the trial keeps; git ignores it. */
  readonly folder: string;
  readonly kmsEnv: string;
  readonly credentials: string;
  readonly serverLog: string;
  readonly inventory: string;
  /** The clone; the trial is not part of the published package. */
  readonly root: string;
}

export function trialSettings(environment: NodeJS.ProcessEnv): TrialSettings {
  const port = Number(environment.PORT || 8080);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new UserError(`PORT is no port: ${environment.PORT}`, 'PORT=8081 npm start');
  const folder = environment.KMS_DATA_DIR || '.kms';
  const root = fileURLToPath(new URL('../../', import.meta.url));
  return {
    port,
    folder,
    kmsEnv: join(folder, 'kms.env'),
    credentials: join(folder, 'credentials'),
    serverLog: join(folder, 'server.log'),
    inventory: join(root, 'examples/hanzo/kms.yaml'),
    root,
  };
}
