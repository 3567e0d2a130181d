import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { type Format, format } from '../../../bootstrap/formats/export.ts';
import { readSource } from '../../../bootstrap/formats/import.ts';
import { NASTY } from './nasty.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kms-formats-'));
});
afterAll(() => rm(folder, { recursive: true }));

const nasty = new Map(NASTY.map((value, index) => [`KEY_${index}`, value]));
/** Those that every reader of .env files takes the same way. */
const plain = new Map(
  [...nasty].filter(([, value]) => !value.includes('\r') && !(value.includes("'") && /["`$\\]/.test(value))),
);

const written = (as: Format, secrets: ReadonlyMap<string, string> = nasty) => format(secrets, as, 'gateway-secrets');
const sorted = (secrets: Iterable<[string, string]>) => Object.fromEntries(secrets);

describe('what is written out is read as the same bytes', () => {
  const shells = ['/bin/bash', '/bin/dash'].filter((shell) => existsSync(shell));
  test.each(shells)('by %s', async (shell) => {
    const file = join(folder, 'secrets.sh');
    await writeFile(file, await written('shell'));
    const print = 'process.stdout.write(JSON.stringify(process.env))';
    const script = `set -a; . ${file}; exec "${process.execPath}" -e '${print}'`;
    const seen = JSON.parse(execFileSync(shell, ['-c', script], { encoding: 'utf8' })) as Record<string, string>;
    expect(sorted(Object.entries(seen).filter(([name]) => nasty.has(name)))).toEqual(sorted(nasty));
  });

  test('by a reader of .env files, and by shells as well where there is no quote', async () => {
    const text = await written('dotenv', plain);
    expect(parseEnv(text)).toEqual(sorted(plain));
    expect(sorted((await readSource(text, 'dotenv', '.env')).values)).toEqual(sorted(plain));
    expect(plain.size).toBeGreaterThan(5);
  });

  test('by a shell that is given a .env file, and no value runs there', async () => {
    const marker = join(folder, 'ran');
    const hostile = [`$(touch ${marker})`, `\`touch ${marker}\``, `\\`].flatMap((part) =>
      ['', "'", '"', `'"`, "it's ", `\n'`].flatMap((quote) => [
        `${quote}${part}`,
        `${part}${quote}`,
        `${quote}${part}${quote}`,
      ]),
    );
    const taken: string[] = [];
    for (const value of hostile) {
      const text = await written('dotenv', new Map([['KEY', value]])).catch(() => undefined);
      if (text === undefined) continue;
      const file = join(folder, `${taken.push(value)}.env`);
      await writeFile(file, text);
    }
    const script = taken.map((_, n) => `. ${folder}/${n + 1}.env; printf '%s\\0' "$KEY"`).join('\n');
    expect(execFileSync('/bin/bash', ['-c', script], { encoding: 'utf8' }).split('\0')).toEqual([...taken, '']);
    expect([taken.length > 10, existsSync(marker)]).toEqual([true, false]);
  });

  test('by readers of JSON and of YAML', async () => {
    expect(JSON.parse(await written('json'))).toEqual(sorted(nasty));
    expect(parse(await written('yaml'))).toEqual(sorted(nasty));
  });

  test('by Kubernetes', async () => {
    const { kind, metadata, data } = parse(await written('k8s'));
    const decoded = Object.entries(data as Record<string, string>).map(
      ([name, text]) => [name, Buffer.from(text, 'base64').toString()] as [string, string],
    );
    expect([kind, metadata.name, sorted(decoded)]).toEqual(['Secret', 'gateway-secrets', sorted(nasty)]);
  });
});

test.each<{ name: string; as: Format; secrets: [string, string][] }>([
  { name: 'a carriage return in .env', as: 'dotenv', secrets: [['BAD', 'se\rcret']] },
  { name: 'all three quotes in .env', as: 'dotenv', secrets: [['BAD', `se'"\`cret`]] },
  { name: 'a command between quotes in .env', as: 'dotenv', secrets: [['BAD', `se'\`id\`cret`]] },
  { name: 'a name that would run a command', as: 'shell', secrets: [['BAD$(id)', 'secret']] },
  { name: 'a name that no manifest takes', as: 'k8s', secrets: [['BAD KEY', 'secret']] },
])('$name is refused by name, without the value', async ({ as, secrets }) => {
  const asked = written(as, new Map(secrets));
  await expect(asked).rejects.toThrow(/BAD/);
  await expect(asked).rejects.not.toThrow(/se.*cret/s);
});

test('what no secret can be called is refused before anything is sent', async () => {
  await expect(readSource('GOOD=1\nA/B=hidden\n', 'dotenv', '.env')).rejects.toThrow(/"A\/B"/);
  await expect(readSource('A/B=hidden\n', 'dotenv', '.env')).rejects.not.toThrow(/hidden/);
  await expect(readSource('nothing here', 'dotenv', '.env')).rejects.toThrow(/NAME=value/);
});
