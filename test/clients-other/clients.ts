import { type Command, go, node, python, rust } from './toolchains.ts';

export interface Client {
  /** As docs/clients.md names it. */
  readonly name: string;
  /** How many things its program does with it. */
  readonly steps: number;
  readonly prepare: () => Promise<Command>;
  /** Takes minutes to build: only with `--all`. */
  readonly slow?: true;
}

const nodeSdk = (version: string, steps: number): Client => ({
  name: `@infisical/sdk ${version}`,
  steps,
  prepare: () => node('infisical-sdk.mjs', '@infisical/sdk', version),
});

/** Published programs that were written for Infisical. They run as they are; no line of them is ours. */
export const clients: readonly Client[] = [
  { name: 'infisicalsdk 1.0.18', steps: 31, prepare: () => python('infisicalsdk.py', ['infisicalsdk==1.0.18']) },
  {
    name: 'infisical-python 2.3.5',
    steps: 11,
    prepare: () => python('infisical-python.py', ['infisical-python==2.3.5']),
  },
  {
    name: 'infisical-httpx-sdk 1.1.0',
    steps: 10,
    prepare: () => python('httpx-sdk.py', ['infisical-httpx-sdk==1.1.0']),
  },
  {
    name: 'infisical-api 1.0.3',
    steps: 3,
    prepare: () => python('infisical-api.py', ['infisical-api==1.0.3', 'requests', 'loguru']),
  },
  { name: 'go-sdk 0.8.0', steps: 22, prepare: () => go('go-sdk') },
  {
    name: '@infisical/sdk 2.3.5',
    steps: 10,
    prepare: () => node('infisical-sdk-native.mjs', '@infisical/sdk', '2.3.5'),
  },
  nodeSdk('3.0.1', 12),
  nodeSdk('3.0.91', 16),
  nodeSdk('4.0.6', 17),
  nodeSdk('5.0.2', 17),
  { name: '@infisical/mcp 0.0.24', steps: 9, prepare: () => node('infisical-mcp.mjs', '@infisical/mcp', '0.0.24') },
  { name: 'rust 0.0.4', steps: 8, prepare: () => rust('rust'), slow: true },
  { name: 'external-secrets 0.16.2', steps: 10, prepare: () => go('external-secrets'), slow: true },
];
