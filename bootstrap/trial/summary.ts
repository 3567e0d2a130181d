import type { Inventory } from '../../contracts/inventory.ts';
import { secretAddress, type World } from '../plan/world.ts';
import type { Manifests } from './synth.ts';

/** What the instance holds now, for people: a line for each organization and each project. */
export function summaryLines(inventory: Inventory, world: World): string[] {
  const rows = inventory.organizations.flatMap((declared) => {
    const live = world.organizations.get(declared.slug);
    const admins = [...(live?.members ?? [])].filter(([, role]) => role === 'admin').map(([email]) => email);
    const head = [declared.slug, '', '', '', '', `admin ${admins.join(', ')}`];
    const projects = declared.projects.map((project) => {
      const state = live?.projects.get(project.slug);
      const environments = [...(state?.environments ?? [])];
      const wanted = Object.entries(project.secrets).flatMap(([key, secret]) =>
        (secret.environments ?? project.environments.map(({ slug }) => slug)).map((slug) => ({
          slug,
          address: secretAddress(secret.path, key),
        })),
      );
      const missing = wanted.filter(({ slug, address }) => !state?.environments.get(slug)?.secrets.has(address));
      const set = environments.map(([, environment]) => environment.secrets.size).join(' + ');
      const access = [...(state?.access ?? [])]
        .map(([identity]) => identity)
        .filter((name) => isDeclared(declared, name));
      return [
        '',
        project.slug,
        environments.map(([slug]) => slug).join(', '),
        set,
        String(missing.length),
        access.join(', '),
      ];
    });
    return [head, ...projects];
  });
  return table([['ORGANIZATION', 'PROJECT', 'ENVIRONMENTS', 'SECRETS SET', 'MISSING', 'WHO'], ...rows]);
}

const isDeclared = (organization: Inventory['organizations'][number], name: string) =>
  organization.identities.some((identity) => identity.name === name);

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

/** Three commands to try, ready to paste into a shell in the same folder. */
export function nextCommands({
  url,
  folder,
  gatewayId,
}: {
  url: string;
  folder: string;
  gatewayId: string | undefined;
}): string[] {
  const login =
    `TOKEN=$(curl -s -X POST ${url}/api/v1/auth/universal-auth/login -H "Content-Type: application/json" ` +
    `-d @${folder}/credentials/gateway-service.json | jq -r '.accessToken')`;
  const list =
    `curl -s "${url}/api/v3/secrets/raw?environment=prod&workspaceSlug=gateway&secretPath=/" ` +
    `-H "Authorization: Bearer $TOKEN" | jq -r '.secrets[] | "\\(.secretKey)=\\(.secretValue)"'`;
  const state = folder === '.kms' ? '' : ` --state ${folder}`;
  const set = `printf %s sk-mine | bin/kms.js secrets set OPENAI_API_KEY --project gateway --env prod${state}`;
  const audit =
    `curl -s "${url}/api/v1/audit-logs?projectId=${gatewayId}&limit=5" ` +
    `-H "Authorization: Bearer $(jq -r .token ${folder}/admin.json)" | jq -c '.auditLogs[] | [.when, .who, .action, .what]'`;
  return [
    '# 1. Be the gateway: log in and read its secrets, as HIP-27 writes it',
    login,
    list,
    '# 2. Replace a placeholder by a value of yours',
    set,
    '# 3. See who read and changed what',
    audit,
  ];
}

export function manifestsLine({ folder, files }: Manifests): string {
  const shown = files.length > 4 ? `${files.length} files` : files.join(', ');
  return `Kubernetes manifests: ${folder}/ (${shown}); on a cluster that has kms-secrets: kubectl apply -f ${folder}/`;
}
