import { styleText } from 'node:util';

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
  // `kms-bootstrap plan | head` closes the pipe early; that is no error of ours.
  stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
  return { program, stdout, stderr, stdin };
}

export type Style = Parameters<typeof styleText>[0];

/** Coloured where people look at it: styleText heeds NO_COLOR, FORCE_COLOR and whether the stream is a terminal. */
export const paint = (stream: NodeJS.WriteStream, style: Style, text: string) => styleText(style, text, { stream });

export function print(terminal: Terminal, ...lines: string[]): void {
  for (const line of lines) terminal.stdout.write(`${line}\n`);
}

export function say(terminal: Terminal, ...lines: string[]): void {
  for (const line of lines) terminal.stderr.write(`${line}\n`);
}

export const printJson = (terminal: Terminal, data: unknown) => print(terminal, JSON.stringify(data, null, 2));

/** Everything that standard input holds, byte for byte. */
export async function readStdin({ stdin }: Terminal): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stdin) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString('utf8');
}
