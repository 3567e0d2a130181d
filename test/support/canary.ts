import { inject } from 'vitest';

declare module 'vitest' {
  interface ProvidedContext {
    canary: string;
  }
}

/**
 * A secret value made for this run. Tests store it where a secret belongs; the run fails when it shows up in anything that
 * the tests, or the programs they start, write to the terminal.
 */
export const canary: string = inject('canary');
