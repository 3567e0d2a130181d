import type { MachineLoginRow } from './store.ts';

/** A trusted network as Infisical shows it. */
export function showIp(cidr: string) {
  const [ipAddress, prefix] = cidr.split('/') as [string, string];
  return { type: ipAddress.includes(':') ? ('ipv6' as const) : ('ipv4' as const), ipAddress, prefix: Number(prefix) };
}

/** What every login shows of itself. */
export function showLogin(row: MachineLoginRow) {
  return {
    id: row.id,
    identityId: row.identityId,
    accessTokenTTL: row.accessTokenTTL,
    accessTokenMaxTTL: row.accessTokenMaxTTL,
    accessTokenNumUsesLimit: row.accessTokenNumUsesLimit,
    accessTokenPeriod: row.accessTokenPeriod,
    accessTokenTrustedIps: row.accessTokenTrustedIps.map(showIp),
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}
