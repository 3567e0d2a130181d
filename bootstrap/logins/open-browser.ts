import { spawn } from 'node:child_process';

/** Whether a browser on this machine is one that the person sees: not over SSH, and on Linux not without a display. */
export function hasBrowser(environment: NodeJS.ProcessEnv): boolean {
  if (environment.BROWSER) return true;
  if (environment.SSH_CONNECTION || environment.SSH_TTY) return false;
  return process.platform !== 'linux' || Boolean(environment.DISPLAY || environment.WAYLAND_DISPLAY);
}

/** Opens an address, if it can: it is shown as well. */
export function openBrowser(environment: NodeJS.ProcessEnv, address: string): void {
  const [file, ...args] = environment.BROWSER
    ? [environment.BROWSER, address]
    : process.platform === 'darwin'
      ? ['open', address]
      : process.platform === 'win32'
        ? ['rundll32', 'url.dll,FileProtocolHandler', address]
        : ['xdg-open', address];
  spawn(file!, args, { stdio: 'ignore', detached: true })
    .on('error', () => {})
    .unref();
}
