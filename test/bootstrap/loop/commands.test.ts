import { execFile, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { getSecret } from '../../../bootstrap/commands/secrets.ts';
import { loginsFile, readLogins, writeLogins } from '../../../bootstrap/logins/logins.ts';
import { Kms } from '../../../sdk/index.ts';
import { invitePerson, PASSWORD, type Person } from '../../support/person.ts';
import { type LiveServer, startLiveServer } from '../support/live-server.ts';
import { runProgram } from '../support/run-program.ts';
import { TinyBrowser } from '../support/tiny-browser.ts';

let live: LiveServer;
let folder: string;
let kms: Kms;
let ada: Person;
const VALUE = 'not-for-any-screen';

beforeAll(async () => {
  live = await startLiveServer();
  await live.server.bootstrap();
  const { id } = await live.server.project('gateway');
  ada = await invitePerson(live.server, 'ada@example.com', { projects: [{ id, projectRoleSlug: ['developer'] }] });
  kms = new Kms({ url: live.url, credentials: { token: live.server.admin } });
  folder = await mkdtemp(join(tmpdir(), 'kms-loop-'));
  await writeFile(join(folder, '.kms.yaml'), 'project: gateway\nenv: dev\n');
}, 60_000);
afterAll(async () => {
  await live.close();
  await rm(folder, { recursive: true });
});

const cli = (args: string, stdin = '', env: Record<string, string> = {}) =>
  runProgram('bootstrap/kms.ts', args.split(' '), {
    cwd: folder,
    env: { KMS_URL: live.url, KMS_TOKEN: live.server.admin, HOME: folder, ...env },
    stdin,
  });
const json = async (args: string) => JSON.parse((await cli(`${args} --json`)).stdout);

test('a .env file is planned, set at once, and exported again', async () => {
  await writeFile(join(folder, '.env'), `A=${VALUE}\nB='two\nlines'\n`);
  const unasked = await cli('import .env');
  expect([unasked.code, unasked.stdout]).toEqual([1, '  + A\n  + B\n2 to create, 0 to change, 0 unchanged.\n']);
  expect(await kms.secrets.list({ projectSlug: 'gateway', environment: 'dev' })).toEqual([]);
  expect((await cli('import .env --yes')).stdout).toContain('2 created, 0 changed.');
  expect(await json('import .env --yes')).toEqual({ created: 0, changed: 0, unchanged: 2 });
  expect(JSON.parse((await cli('export --format json')).stdout)).toEqual({ A: VALUE, B: 'two\nlines' });
  expect((await cli('export --format shell')).stdout).toBe(`export A='${VALUE}'\nexport B='two\nlines'\n`);
});

test('what a shell is given decides no code: such a name is left out and told', async () => {
  const at = { projectSlug: 'gateway', environment: 'staging' };
  await kms.secrets.createMany(
    ['PROMPT_COMMAND', 'TAME'].map((secretKey) => ({ secretKey, secretValue: 'id' })),
    at,
  );
  const { stdout, stderr } = await cli('export --env staging --format shell');
  expect([stdout, stderr]).toEqual([`export TAME='id'\n`, expect.stringContaining('PROMPT_COMMAND is left out')]);
  expect((await cli('export --env staging --format shell --allow-loaders')).stdout).toContain('PROMPT_COMMAND');
  for (const name of ['PROMPT_COMMAND', 'TAME']) await cli(`secrets delete ${name} --env staging`);
});

test('versions are told without values, and come back', async () => {
  await cli('secrets set ROLLED', 'first');
  await cli('secrets set ROLLED', VALUE);
  const { stdout } = await cli('secrets history ROLLED');
  expect(stdout).toMatch(/^VERSION +WRITTEN +BY +NAME\n2 .*\n1 /);
  expect(stdout).not.toContain(VALUE);
  const compared = await cli('diff 1 2 --key ROLLED --exit-code');
  expect([compared.code, compared.stdout]).toEqual([2, 'NAME    STATE\nROLLED  differs\n']);
  expect(await json('diff 1 2 --key ROLLED --reveal')).toMatchObject([{ values: { 1: 'first', 2: VALUE } }]);
  expect((await cli('diff 1 x --key ROLLED')).stderr).toContain('a version is a number');
  await cli('secrets rollback ROLLED --to 1');
  expect((await cli('secrets get ROLLED')).stdout).toBe('first');
  expect((await cli('secrets delete ROLLED')).code).toBe(0);
  expect((await cli('secrets get ROLLED')).code).toBe(1);
});

test('a value that a person looks at cannot command the terminal, and a pipe gets it as it is', async () => {
  const value = 'a\n\u001b]52;c;ZXZpbA==\u0007';
  await cli('secrets set EVIL', value);
  expect((await cli('secrets get EVIL')).stdout).toBe(value);
  let seen = '';
  const stdout = { isTTY: true, write: (text: string) => (seen += text) } as unknown as NodeJS.WriteStream;
  const terminal = { program: 'kms', stdout, stderr: stdout, stdin: process.stdin };
  const env = { KMS_URL: live.url, KMS_TOKEN: live.server.admin, HOME: folder };
  await getSecret(terminal, env, 'EVIL', { project: 'gateway', env: 'dev', state: join(folder, '.kms') });
  expect(seen).toBe('a\n\\u001b]52;c;ZXZpbA==\\u0007\n');
  await cli('secrets delete EVIL');
});

test('two environments are compared without a value, unless it is asked for', async () => {
  const prod = { projectSlug: 'gateway', environment: 'prod' };
  const before = new Date().toISOString();
  await kms.secrets.createMany(
    [
      { secretKey: 'A', secretValue: VALUE },
      { secretKey: 'B', secretValue: `${VALUE}-of-prod` },
      { secretKey: 'C', secretValue: 'x' },
    ],
    prod,
  );
  const { stdout, code } = await cli('diff dev prod --exit-code');
  expect([code, stdout]).toEqual([2, 'NAME  STATE\nA     equal\nB     differs\nC     only in prod\n']);
  expect(await json(`diff prod@${before} prod`)).toMatchObject([{ name: 'A', state: 'only in prod' }, {}, {}]);
  expect((await cli('diff prod@yesterday prod')).stderr).toContain('is no instant');
  expect((await cli('secrets diff dev prod --reveal')).stdout).toContain(`"${VALUE}-of-prod"`);
});

test('the audit is shown by filters, without a value', async () => {
  const { stdout } = await cli('audit --action update,create --env dev');
  expect(stdout).toMatch(/^WHEN +WHO +ACTION/);
  expect(stdout).not.toContain(VALUE);
  const records = (await json('audit --key A --action read --limit 3')) as { what: string[] }[];
  expect(records.length).toBeGreaterThan(0);
  expect(records.every(({ what }) => what.includes('A'))).toBe(true);
});

describe('a login', () => {
  const config = () => ({ XDG_CONFIG_HOME: join(folder, 'config') });
  const asAda = (args: string, stdin = '', more = {}) => cli(args, stdin, { KMS_TOKEN: '', ...config(), ...more });
  /** The content of a file, once a program has written it. */
  async function written(file: string): Promise<string> {
    for (;;) {
      const text = await readFile(file, 'utf8').catch(() => '');
      if (text !== '') return text;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  test('takes a password, is kept for its owner alone, and works at that address', async () => {
    const { code, stdout, stderr } = await asAda('login --email ada@example.com', `${PASSWORD}\n`);
    expect([code, stdout, stderr]).toEqual([0, '', expect.stringContaining('logged in to')]);
    expect((await stat(loginsFile(config()))).mode & 0o777).toBe(0o600);
    expect((await asAda('secrets get A')).stdout).toBe(VALUE);
    const seen = await asAda('status');
    expect(seen.stdout).toMatch(/ada@example\.com \(\w+\)\nprojects gateway\nfolder +gateway dev \//);
  });

  test('ends at the server, and its token is forgotten', async () => {
    const { logins } = await readLogins(loginsFile(config()));
    const [login] = Object.values(logins);
    expect((await asAda('logout')).code).toBe(0);
    expect((await readLogins(loginsFile(config()))).logins).toEqual({});
    const answer = await live.server.send('GET', '/api/v2/users/me', { token: login!.token });
    expect(answer.status).toBe(401);
    expect((await asAda('secrets get A')).code).toBe(1);
  });

  test('asks for the second factor, and takes no wrong one', async () => {
    await ada.setUpMfa();
    const code = await ada.freshCode();
    expect((await asAda('login --email ada@example.com', `${PASSWORD}\n000000\n`)).code).toBe(1);
    expect((await asAda('login --email ada@example.com', `${PASSWORD}\n${code}\n`)).code).toBe(0);
    expect((await asAda('secrets get A')).stdout).toBe(VALUE);
  });

  test('by browser hands a session over, with no token in any address', async () => {
    const opened = join(folder, 'opened');
    await writeFile(join(folder, 'browser'), `#!/bin/sh\nprintf %s "$1" > "${opened}"\n`, { mode: 0o755 });
    const ended = asAda(`login --browser --url ${live.url}`, '', { BROWSER: join(folder, 'browser') });
    const browser = new TinyBrowser();
    await browser.go(await written(opened));
    await browser.submit('password', { email: 'ada@example.com', password: PASSWORD });
    await browser.submit('factor', { code: await ada.freshCode() });
    const words = await browser.says('allow', 'words');
    await browser.submit('allow');
    const { code, stderr } = await ended;
    expect([code, stderr]).toEqual([0, expect.stringContaining('as ada@example.com, organization hanzo')]);
    expect(stderr).toContain(words);
    const login = (await readLogins(loginsFile(config()))).logins[live.url]!;
    expect((await asAda('secrets get A')).stdout).toBe(VALUE);
    const addresses = browser.history.join('\n');
    expect(browser.history.at(-1)).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/ended$/);
    for (const secret of [login.token!, login.refresh!]) expect(addresses).not.toContain(secret);

    // A browser that is logged in asks at once, and so does the page to which single sign-on leads back.
    await rm(opened);
    const again = asAda(`login --browser --url ${live.url}`, '', { BROWSER: join(folder, 'browser') });
    await browser.go(await written(opened));
    await browser.says('allow', 'words');
    await browser.go(`${live.url}/login/sso`);
    await browser.submit('allow');
    expect((await again).code).toBe(0);
  });

  /** As though the login had been made that many hours ago. */
  async function aged(hours: number) {
    const kept = await readLogins(loginsFile(config()));
    const login = { ...kept.logins[live.url]!, at: new Date(Date.now() - hours * 3_600_000).toISOString() };
    await writeLogins(loginsFile(config()), { ...kept, logins: { [live.url]: login } });
    return login;
  }
  const kept = async () => (await readLogins(loginsFile(config()))).logins[live.url]!;

  test('is gone on with before it ends, once for all programs that run', async () => {
    const old = await aged(7);
    const both = await Promise.all([asAda('secrets get A'), asAda('secrets get A')]);
    expect(both.map(({ stdout }) => stdout)).toEqual([VALUE, VALUE]);
    const now = await kept();
    expect([now.token === old.token, now.refresh === old.refresh]).toEqual([false, false]);
    // Neither has used up what the other goes on with.
    await aged(7);
    expect((await asAda('secrets get A')).stdout).toBe(VALUE);
  });

  test('that has ended is said to have, and how to go on', async () => {
    await live.server.sql.query('update sessions set ended_at = now() where user_id = $1', [ada.id]);
    await aged(13);
    const { code, stderr } = await asAda('secrets get A');
    expect([code, stderr]).toEqual([1, expect.stringContaining(`has ended`)]);
    expect(stderr).toContain(`kms login --url ${live.url}`);
  });

  test('is kept in the keychain of the system, never in an argument, and used from there', async () => {
    // A stand-in for libsecret's program: what it is told by standard input, by the address that it is told by arguments.
    const bin = await mkdtemp(join(folder, 'keychain-'));
    const tool = `#!/bin/sh
      printf '%s\n' "$*" >> "${bin}/arguments"
      case "$1" in store) cat > "${bin}/kept" ;; lookup) cat "${bin}/kept" ;; clear) rm "${bin}/kept" ;; esac`;
    await writeFile(join(bin, 'secret-tool'), tool, { mode: 0o755 });
    const path = { PATH: `${bin}:${process.env.PATH}` };
    const stdin = `${PASSWORD}\n${await ada.freshCode()}\n`;
    expect((await asAda('login --email ada@example.com --store keychain', stdin, path)).code).toBe(0);
    const tokens = JSON.parse(await readFile(join(bin, 'kept'), 'utf8'));
    const login = await kept();
    expect([login.token, login.refresh, login.store]).toEqual([undefined, undefined, 'keychain']);
    expect((await asAda('secrets get A', '', path)).stdout).toBe(VALUE);
    await aged(7);
    expect((await asAda('secrets get A', '', path)).stdout).toBe(VALUE);
    expect(JSON.parse(await readFile(join(bin, 'kept'), 'utf8')).token).not.toBe(tokens.token);
    expect((await asAda('logout', '', path)).code).toBe(0);
    const told = await readFile(join(bin, 'arguments'), 'utf8');
    for (const secret of Object.values<string>(tokens)) expect(told).not.toContain(secret);
    await expect(readFile(join(bin, 'kept'))).rejects.toThrow('ENOENT');
  });

  test('to a keychain that is not there says so, and what to do', async () => {
    const stdin = `${PASSWORD}\n${await ada.freshCode()}\n`;
    const path = { PATH: join(folder, 'nothing') };
    const { code, stderr } = await asAda('login --email ada@example.com --store keychain', stdin, path);
    expect([code, stderr]).toEqual([1, expect.stringContaining('--store file')]);
  });

  test.each(['http://kms.example.com', 'http://127.0.0.1.example.com:8080', 'ftp://kms.example.com'])(
    'sends no password in the clear to %s',
    async (url) => {
      const { code, stderr } = await asAda(`login --email ada@example.com --url ${url}`, `${PASSWORD}\n`);
      expect([code, stderr]).toEqual([1, expect.stringContaining('does not travel over plain http')]);
    },
  );

  test('sends no password to an address that a repository names', async () => {
    const repository = join(folder, 'cloned');
    await mkdir(repository);
    await writeFile(join(repository, '.kms.yaml'), `url: ${live.url}/\n`);
    const { code, stderr } = await runProgram('bootstrap/kms.ts', ['login', '--email', 'ada@example.com'], {
      cwd: repository,
      env: { HOME: folder, XDG_CONFIG_HOME: join(folder, 'none') },
      stdin: `${PASSWORD}\n`,
    });
    expect([code, stderr]).toEqual([1, expect.stringContaining('if that is your KMS: kms login --url')]);
  });
});

describe('completion', () => {
  const has = (shell: string) => spawnSync(shell, ['-c', 'true']).status === 0;
  const KMS = fileURLToPath(new URL('../../../bin/kms.js', import.meta.url));
  beforeAll(async () => {
    await mkdir(join(folder, 'bin'));
    await writeFile(join(folder, 'bin/kms'), `#!/bin/sh\nexec "${process.execPath}" "${KMS}" "$@"\n`, { mode: 0o755 });
    const evil = { secretKey: 'A_$(touch pwned)', secretValue: VALUE };
    await kms.secrets.createMany([evil, { secretKey: 'A_TOKEN', secretValue: VALUE }], at);
  });
  const at = { projectSlug: 'gateway', environment: 'staging' };

  const quoted = (words: readonly string[]) => words.map((word) => `'${word}'`).join(' ');
  /** How a shell is asked what it offers at the end of a command line. */
  const SHELLS: { shell: string; options: string[]; first: string; ask: (words: readonly string[]) => string }[] = [
    {
      shell: 'bash',
      options: ['--norc'],
      first: 'source <(kms completion bash)',
      ask: (words) =>
        `COMP_WORDS=(${quoted(words)}); COMP_CWORD=${words.length - 1}; _kms_complete; printf '%s\n' "\${COMPREPLY[@]}"`,
    },
    {
      shell: 'zsh',
      options: ['-f'],
      first: `compdef() { }; _describe() { print -l -- "\${(@P)2}" }; source <(kms completion zsh)`,
      ask: (words) => `words=(${quoted(words)}); CURRENT=${words.length}; _kms`,
    },
    {
      shell: 'fish',
      options: ['--no-config'],
      first: 'kms completion fish | source',
      ask: (words) => `complete -C '${words.join(' ')}'`,
    },
  ];
  const LINES = {
    'kms secrets ro': ['rollback'],
    'kms run --rec': ['--recursive'],
    'kms export --format j': ['json'],
    'kms secrets list --project ': ['gateway'],
    'kms secrets list -p gateway --env s': ['staging'],
    'kms secrets get --env staging A_': ['A_TOKEN'],
    'kms __com': [],
  };

  test.for(SHELLS)(
    'of $shell offers commands, options and names, and none that it would run',
    async ({ shell, options, first, ask }, { skip }) => {
      skip(!has(shell), `there is no ${shell} here`);
      const asked = Object.keys(LINES).map((line) => `${ask(line.split(' '))}; echo -----`);
      const { stdout, stderr } = await promisify(execFile)(shell, [...options, '-c', [first, ...asked].join('\n')], {
        cwd: folder,
        env: {
          PATH: `${join(folder, 'bin')}:${process.env.PATH}`,
          HOME: folder,
          KMS_URL: live.url,
          KMS_TOKEN: live.server.admin,
        },
      });
      const offered = stdout.split('-----\n').map((text) => text.match(/^[^\t:\n]+/gm) ?? []);
      expect([Object.fromEntries(Object.keys(LINES).map((line, index) => [line, offered[index]])), stderr]).toEqual([
        LINES,
        '',
      ]);
    },
  );

  test('is silent where KMS cannot be asked, and names an unknown shell', async () => {
    const asked = await cli('__complete -- secrets get ', '', { KMS_URL: 'http://127.0.0.1:1' });
    expect(asked).toEqual({ code: 0, stdout: '', stderr: '' });
    expect((await cli('completion powershell')).stderr).toContain('use one of bash, zsh, fish');
  });
});
