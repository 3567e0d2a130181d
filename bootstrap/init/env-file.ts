import { UserError } from '../problem.ts';

/** The four variables of kms-secrets (HIP-27, "KMS's Own Secrets"). The two addresses may be missing. */
export interface KmsSecrets {
  readonly ROOT_ENCRYPTION_KEY: string;
  readonly AUTH_SECRET: string;
  readonly DB_CONNECTION_URI?: string | undefined;
  readonly REDIS_URL?: string | undefined;
}

/** `NAME=value` lines, without quotes: shells, container engines, systemd and Node read these in the same way. */
export function formatEnvFile(variables: Readonly<Record<string, string | undefined>>): string {
  const lines = Object.entries(variables).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]));
  return `${lines.join('\n')}\n`;
}

/** Reads what formatEnvFile writes, and quotes and `export` that people add. Other lines are named by their number only. */
export function parseEnvFile(text: string, file: string): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (/^\s*(#|$)/.test(line)) continue;
    const found = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*$/.exec(line);
    if (!found) throw new UserError(`${file}:${index + 1}: not a line of the form NAME=value`);
    const [, name = '', raw = ''] = found;
    variables[name] = /^(["'])(.*)\1$/.exec(raw)?.[2] ?? raw;
  }
  return variables;
}
