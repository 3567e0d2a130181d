import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { parse } from 'yaml';

/** A service of compose.yaml, as far as tests look at it. */
export interface ComposeService {
  readonly image: string;
  readonly build?: string;
  readonly env_file?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly networks: readonly string[];
  readonly command?: readonly string[];
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly volumes?: readonly string[];
}

export const COMPOSE_FILE = join(import.meta.dirname, '../../compose.yaml');

export const composeServices = (): Record<string, ComposeService> => parse(readFileSync(COMPOSE_FILE, 'utf8')).services;

/**
 * What its container gets: the variables of the env file, then those of `environment`, as compose has it.
 *
 * @param folder where the env files are
 */
export function composeEnvironment(service: string, folder: string): Record<string, string> {
  const { env_file, environment } = composeServices()[service]!;
  const fromFile = env_file === undefined ? {} : parseEnv(readFileSync(join(folder, env_file), 'utf8'));
  return { ...(fromFile as Record<string, string>), ...environment };
}
