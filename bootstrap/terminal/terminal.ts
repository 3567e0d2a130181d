import { styleText } from 'node:util';
import { UserError } from '../problem.ts';

/** What a program says: data on standard output, talk on standard error. */
export interface Terminal {
  /** The program's name, before errors and hints. */
  readonly program: string;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly stdin: NodeJS.ReadStream;
}

export function terminalOf(program: string): Terminal {
  const { stdout, stderr, stdin } = process;
  // `kms-bootstrap apply | head` closes the pipe early. Ending there would leave the work half done, and 0 would hide it.
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') process.exit(1);
  });
  stderr.on('error', () => undefined);
  return { program, stdout, stderr, stdin };
}

export type Style = Parameters<typeof styleText>[0];

/** Coloured where people look at it: styleText heeds NO_COLOR, FORCE_COLOR and whether the stream is a terminal. */
export const paint = (stream: NodeJS.WriteStream, style: Style, text: string) => styleText(style, text, { stream });

/**
 * All but colours and line ends that a terminal obeys or that turns text around. What a server answers is printed, and a
 * hostile one could otherwise rewrite the plan above it, set the clipboard, or hide the rest of a line.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is the point
const OBEYED = /\u001b\[[0-9;]*m|[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** Written out as `\u001b`: people see that it was there, and within JSON it still means the same. */
const harmless = (line: string) =>
  line.replace(OBEYED, (found) =>
    found.length > 1 ? found : `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

export function print(terminal: Terminal, ...lines: string[]): void {
  for (const line of lines) terminal.stdout.write(`${harmless(line)}\n`);
}

export function say(terminal: Terminal, ...lines: string[]): void {
  for (const line of lines) terminal.stderr.write(`${harmless(line)}\n`);
}

export const printJson = (terminal: Terminal, data: unknown) => print(terminal, JSON.stringify(data, null, 2));

/** Everything that standard input holds, byte for byte. */
export async function readStdin({ stdin }: Terminal): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stdin) chunks.push(Buffer.from(chunk));
  return decoded(Buffer.concat(chunks), 'standard input');
}

/** Bytes as text. Those that are none are refused: they would come out as others. */
export function decoded(bytes: Buffer, what: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new UserError(`${what} is not UTF-8 text`, 'encode it first, for example with base64');
  }
}
