import { spawn } from 'node:child_process';

/**
 * The keychain of the system, by the program that comes with it: `security` of macOS, `secret-tool` of libsecret. What is kept goes through
 * standard input, never an argument.
 */
interface Keychain {
  keep(address: string, text: string): Promise<boolean>;
  find(address: string): Promise<string | undefined>;
  forget(address: string): Promise<void>;
}

const SERVICE = 'hanzo-kms';
/** Somebody may have to unlock it first. */
const PATIENCE_MS = 60_000;

const macos: Keychain = {
  async keep(address, text) {
    // Base64 and an address hold nothing that this program's own syntax would read as more than a word.
    const command = `add-generic-password -U -s ${SERVICE} -a "${address}" -w ${Buffer.from(text).toString('base64')}\n`;
    return (await run('security', ['-i'], command)).code === 0 && (await this.find(address)) === text;
  },
  async find(address) {
    const { code, out } = await run('security', ['find-generic-password', '-s', SERVICE, '-a', address, '-w']);
    return code === 0 ? Buffer.from(out.trim(), 'base64').toString() : undefined;
  },
  async forget(address) {
    await run('security', ['delete-generic-password', '-s', SERVICE, '-a', address]);
  },
};

const libsecret: Keychain = {
  async keep(address, text) {
    const label = `--label=kms login at ${address}`;
    return (await run('secret-tool', ['store', label, 'service', SERVICE, 'address', address], text)).code === 0;
  },
  async find(address) {
    const { code, out } = await run('secret-tool', ['lookup', 'service', SERVICE, 'address', address]);
    return code === 0 && out !== '' ? out : undefined;
  },
  async forget(address) {
    await run('secret-tool', ['clear', 'service', SERVICE, 'address', address]);
  },
};

/** That of this system; which of them is there shows when it is used. */
export const keychain: Keychain = process.platform === 'darwin' ? macos : libsecret;

function run(file: string, args: readonly string[], input = ''): Promise<{ code: number | null; out: string }> {
  return new Promise((resolve) => {
    const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'ignore'] });
    let out = '';
    const timer = setTimeout(() => child.kill(), PATIENCE_MS);
    const end = (code: number | null) => {
      clearTimeout(timer);
      resolve({ code, out });
    };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
    });
    child.stdin.on('error', () => {}).end(input);
    child.on('error', () => end(null));
    child.on('close', end);
  });
}
