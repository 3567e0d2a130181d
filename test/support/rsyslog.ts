import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const PROGRAM = 'rsyslogd';
/** How long a start may take, in milliseconds. */
const PATIENCE = 10_000;

/** A message as the daemon understood it. */
export interface SyslogMessage {
  readonly facility: string;
  readonly severity: string;
  readonly version: string;
  readonly at: string;
  readonly host: string;
  readonly app: string;
  readonly id: string;
  readonly text: string;
}

/** Whether rsyslog is installed; with its TLS, which is a package of its own (`rsyslog-gnutls`). */
export const hasRsyslog = spawnSync(PROGRAM, ['-v']).status === 0;

/** A real syslog daemon on 127.0.0.1 that writes down what it understood, over TLS when it has a certificate. */
export class Rsyslog {
  readonly port: number;
  readonly #folder: string;
  readonly #process: ChildProcess;

  private constructor(port: number, folder: string, process: ChildProcess) {
    this.port = port;
    this.#folder = folder;
    this.#process = process;
  }

  static async start(secure?: { ca: string; cert: string; key: string }): Promise<Rsyslog> {
    const folder = await mkdtemp(join(tmpdir(), 'kms-rsyslog-'));
    const at = (name: string) => join(folder, name);
    for (const [name, text] of Object.entries(secure ?? {})) await writeFile(at(`${name}.pem`), text, { mode: 0o600 });
    await writeFile(at('rsyslog.conf'), configuration(at, secure !== undefined));
    const child = spawn(PROGRAM, ['-n', '-f', at('rsyslog.conf'), '-i', at('pid')], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (piece) => {
        said += piece;
      });
    }
    const deadline = Date.now() + PATIENCE;
    for (;;) {
      const port = Number(await readFile(at('port'), 'utf8').catch(() => ''));
      if (port > 0) return new Rsyslog(port, folder, child);
      if (child.exitCode !== null || Date.now() > deadline) {
        child.kill('SIGKILL');
        throw new Error(`rsyslogd does not listen: ${said}`);
      }
      await pause(20);
    }
  }

  async messages(): Promise<SyslogMessage[]> {
    const lines = (await readFile(join(this.#folder, 'messages'), 'utf8').catch(() => '')).split('\n').slice(0, -1);
    return lines.map((line) => JSON.parse(line));
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode === null) {
      this.#process.kill('SIGTERM');
      await once(this.#process, 'exit');
    }
    await rm(this.#folder, { recursive: true, force: true });
  }
}

function configuration(at: (name: string) => string, secure: boolean): string {
  const tls = `
    global(defaultNetstreamDriver="gtls" defaultNetstreamDriverCAFile="${at('ca.pem')}"
           defaultNetstreamDriverCertFile="${at('cert.pem')}" defaultNetstreamDriverKeyFile="${at('key.pem')}")
    module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="anon")`;
  const field = (outname: string, name: string, more = '') =>
    `property(outname="${outname}" name="${name}" ${more} format="jsonf")`;
  return `
    global(workDirectory="${at('')}" maxMessageSize="64k")
    ${secure ? tls : 'module(load="imtcp")'}
    template(name="understood" type="list" option.jsonf="on") {
      ${field('facility', 'syslogfacility-text')}
      ${field('severity', 'syslogseverity-text')}
      ${field('version', 'protocol-version')}
      ${field('at', 'timereported', 'dateFormat="rfc3339"')}
      ${field('host', 'hostname')}
      ${field('app', 'app-name')}
      ${field('id', 'msgid')}
      ${field('text', 'msg')}
    }
    ruleset(name="kept") { action(type="omfile" file="${at('messages')}" template="understood" flushOnTXEnd="on") }
    input(type="imtcp" address="127.0.0.1" port="0" listenPortFileName="${at('port')}" ruleset="kept")
  `;
}
