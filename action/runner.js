import { randomUUID } from 'node:crypto';
import { appendFileSync } from 'node:fs';

/** Texts of the runner's commands: `%`, and line ends, which would end the command. */
const dataOf = (text) => text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');

/** Tells the runner something; it takes such lines out of the log and obeys them. */
export const command = (name, data) => process.stdout.write(`::${name}::${dataOf(data)}\n`);

/**
 * Appends to GITHUB_ENV or GITHUB_OUTPUT, at once. The delimiter is random: one that a value can hold would let whoever writes
 * a secret set any variable of the job.
 */
export function append(file, entries) {
  const delimiter = `kms_${randomUUID()}`;
  const text = [...entries].map(([name, value]) => `${name}<<${delimiter}\n${value}\n${delimiter}\n`).join('');
  appendFileSync(file, text);
}
