import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** What Kubernetes' "restricted" and a container engine do to a program, done by the kernel's own means where there is no engine. */

/**
 * In namespaces of its own: the image is the root, read-only, /tmp in memory; then no right but those of its user, as process 1. Of the
 * host it has the network, whose loopback the tests use, and the devices.
 */
const ENTER = `
mount --bind "$1" "$1"
mount -o remount,bind,ro "$1"
mount -t tmpfs -o mode=1777 tmpfs "$1/tmp"
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
root=$1; shift
exec setpriv --no-new-privs --bounding-set=-all,+sys_chroot,+setuid,+setgid --inh-caps=-all \
  chroot --userspec=65532:65532 --groups= "$root" "$@"`;

/** Whether this user and machine can: it takes root, and the right to mount, which containers mostly lack. */
export const canContain =
  process.platform === 'linux' &&
  spawnSync('unshare', ['--mount', '--pid', '--fork', 'sh', '-c', 'mount -t tmpfs tmpfs /tmp && setpriv --version'])
    .status === 0;

/**
 * Puts under an image what its base brings, as far as the programs need it: the C library of this machine, a user, empty folders.
 * Nothing else: no shell, no env.
 */
export function addBase(image: string): void {
  const natives = execFileSync('find', [join(image, 'app/node_modules'), '-name', '*.node'], { encoding: 'utf8' });
  const programs = [join(image, 'usr/local/bin/node'), ...natives.split('\n').filter(Boolean)];
  const linked = execFileSync('ldd', programs, { encoding: 'utf8' });
  for (const [path] of linked.matchAll(/\/lib\S+/g)) {
    mkdirSync(join(image, dirname(path)), { recursive: true });
    cpSync(realpathSync(path.replace(/:$/, '')), join(image, path));
  }
  for (const folder of ['tmp', 'proc', 'dev', 'etc']) mkdirSync(join(image, folder), { recursive: true });
  writeFileSync(join(image, 'etc/passwd'), 'nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n');
}

const running = new Set<Contained>();

/** Ends what a failed test left. */
export function endContained(): void {
  for (const each of running) each.kill();
}

/** A program of an image, as it runs in a container. */
export class Contained {
  readonly #child: ChildProcess;
  readonly #ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  output = '';

  /** @param environment all of it: nothing is inherited */
  constructor(image: string, command: readonly string[], environment: Readonly<Record<string, string>>) {
    const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
    const args = ['--mount', '--pid', '--fork', '--', 'sh', '-ec', ENTER, 'sh', image, ...command];
    this.#child = spawn('unshare', args, { stdio: ['ignore', 'pipe', 'pipe'], env: { PATH, ...environment } });
    running.add(this);
    for (const stream of [this.#child.stdout!, this.#child.stderr!])
      stream.setEncoding('utf8').on('data', (text) => {
        this.output += text;
      });
    this.#ended = once(this.#child, 'close').then(([code, signal]) => {
      running.delete(this);
      return { code, signal };
    });
  }

  /** Its process, by the number that the host knows it by; 0 when there is none. */
  get pid(): number {
    const children = `/proc/${this.#child.pid}/task/${this.#child.pid}/children`;
    return existsSync(children) ? Number(readFileSync(children, 'utf8').trim()) : 0;
  }

  /** As a container engine does; the program is process 1, which no signal ends that it does not handle. */
  stop(): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    process.kill(this.pid, 'SIGTERM');
    return this.#ended;
  }

  ended(): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    return this.#ended;
  }

  kill(): void {
    // The kernel forgets whose end is to be followed when a process changes its user, so the one within is ended by itself.
    if (this.pid) process.kill(this.pid, 'SIGKILL');
    this.#child.kill('SIGKILL');
  }
}

/** The lines of /proc/<pid>/status by name. */
export function statusOf(pid: number): Record<string, string> {
  if (!existsSync(`/proc/${pid}/status`)) return {};
  const lines = readFileSync(`/proc/${pid}/status`, 'utf8').trim().split('\n');
  return Object.fromEntries(lines.map((line) => [line.split(':')[0]!, line.slice(line.indexOf(':') + 1).trim()]));
}
