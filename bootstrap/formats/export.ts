import { UserError } from '../problem.ts';

/** How secrets can be written out. */
export const FORMATS = ['dotenv', 'json', 'yaml', 'shell', 'k8s'] as const;
export type Format = (typeof FORMATS)[number];

type Secrets = ReadonlyMap<string, string>;

/**
 * Secrets as a text that its readers turn into the same bytes again. What a format cannot hold is refused by name, all at once.
 *
 * @param name of the Kubernetes Secret
 */
export async function format(secrets: Secrets, as: Format, name: string): Promise<string> {
  if (as === 'json') return `${JSON.stringify(Object.fromEntries(secrets), null, 2)}\n`;
  if (as === 'yaml') return yaml(Object.fromEntries(secrets));
  if (as === 'k8s') return kubernetes(secrets, name);
  return as === 'shell' ? shell(secrets) : dotenv(secrets);
}

async function yaml(data: unknown): Promise<string> {
  const { stringify } = await import('yaml');
  return stringify(data, { lineWidth: 0, defaultStringType: 'QUOTE_DOUBLE', defaultKeyType: 'QUOTE_DOUBLE' });
}

async function kubernetes(secrets: Secrets, name: string): Promise<string> {
  refuse(secrets, 'a Kubernetes Secret', (key) => /^[-._a-zA-Z0-9]{1,253}$/.test(key));
  const data = Object.fromEntries([...secrets].map(([key, value]) => [key, Buffer.from(value).toString('base64')]));
  return yaml({ apiVersion: 'v1', kind: 'Secret', metadata: { name }, type: 'Opaque', data });
}

const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** For `. file` in any POSIX shell: between single quotes nothing means anything but the quote itself. */
function shell(secrets: Secrets): string {
  refuse(secrets, 'a shell', (key, value) => IDENTIFIER.test(key) && !value.includes('\0'));
  return [...secrets].map(([key, value]) => `export ${key}='${value.replaceAll("'", `'\\''`)}'\n`).join('');
}

/** For readers of .env files, which know no escapes within quotes of a kind that the value has not. */
function dotenv(secrets: Secrets): string {
  refuse(secrets, 'a .env file', (key, value) => IDENTIFIER.test(key) && quoteFor(value) !== undefined);
  return [...secrets].map(([key, value]) => `${key}=${quoteFor(value)}${value}${quoteFor(value)}\n`).join('');
}

/**
 * Readers disagree about carriage returns, and between double quotes about backslashes and dollars. Shells are among them, where people
 * write `. .env`: between backticks, and between double quotes where one stands, they would run the value.
 */
function quoteFor(value: string): string | undefined {
  if (/[\r\0]/.test(value)) return undefined;
  if (!value.includes("'")) return "'";
  return /["`$\\]/.test(value) ? undefined : '"';
}

function refuse(secrets: Secrets, what: string, fits: (key: string, value: string) => boolean): void {
  const unfit = [...secrets].filter(([key, value]) => !fits(key, value)).map(([key]) => JSON.stringify(key));
  if (unfit.length > 0)
    throw new UserError(
      `${what} cannot hold the name or the value of ${unfit.join(', ')}, so that every reader gets the same; nothing was written`,
      'another --format can: json and yaml hold everything',
    );
}
