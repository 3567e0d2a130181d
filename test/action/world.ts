import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { NASTY } from '../bootstrap/loop/nasty.ts';
import { type LiveServer, startLiveServer } from '../bootstrap/support/live-server.ts';
import { Issuer } from '../server/oidc-auth/issuer.ts';
import type { Machine } from '../support/server.ts';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** The fenced blocks of a section of docs/ci.md. */
export async function blocksOf(heading: string): Promise<string[]> {
  const page = await readFile(`${ROOT}docs/ci.md`, 'utf8');
  const section = page.split(/^## /m).find((part) => part.startsWith(`${heading}\n`));
  if (section === undefined) throw new Error(`docs/ci.md has no section ${heading}`);
  return [...section.matchAll(/^```\w+\n([\s\S]*?)^```/gm)].map(([, text]) => text!);
}

/** What runners, shells and their files have got wrong before. */
export const TRICKY = [
  ...NASTY,
  'EOF',
  'a\nEOF\nb=c',
  'x\nINJECTED<<kms_\ny',
  '%0A%25 100%',
  '::error::no',
  'z\r\n\r\n',
  '\n\n',
];

export interface World {
  readonly live: LiveServer;
  readonly issuer: Issuer;
  readonly projectId: string;
  readonly machine: Machine;
  close(): Promise<void>;
}

/** A server with the project that the page's jobs read, and an issuer that stands for GitHub and GitLab. */
export async function startWorld(): Promise<World> {
  const issuer = await Issuer.start();
  const live = await startLiveServer({ outboundAllow: ['127.0.0.1'] });
  const { server } = live;
  await server.bootstrap();
  await server.do('PATCH', '/api/v1/admin/config', { body: { machineAuthMethods: ['oidc-auth'] } });
  const { id: projectId } = await server.project('gateway');
  await server.do('PATCH', `/api/v1/projects/${projectId}`, { body: { unresolvedReferences: 'keep' } });
  const machine = await server.machine('deployer', { projectId, roles: [{ role: 'ci' }] });
  await server.do('POST', `/api/v1/auth/oidc-auth/identities/${machine.id}`, {
    body: {
      ...{ oidcDiscoveryUrl: issuer.url, boundIssuer: issuer.url, caCert: issuer.ca },
      ...{
        boundSubject: 'repo:hanzoai/gateway:ref:refs/heads/main',
        boundAudiences: `https://kms.hanzo.ai,${live.url}`,
      },
    },
  });
  return {
    live,
    issuer,
    projectId,
    machine,
    close: async () => {
      await live.close();
      await issuer.close();
    },
  };
}
