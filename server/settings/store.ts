import type { MachineAuthMethod } from '../../contracts/index.ts';
import type { Db, Statement } from '../database/database.ts';

export interface InstanceRow {
  readonly id: string;
  readonly initialized: boolean;
  readonly machineAuthMethods: MachineAuthMethod[];
}

const FIND: Statement = {
  name: 'settings.find',
  text: `
    select id, bootstrapped_at is not null as initialized, machine_auth_methods as "machineAuthMethods" from instance`,
};

export async function findInstance(db: Db): Promise<InstanceRow> {
  return db.one<InstanceRow>(FIND, []);
}

const SET_METHODS: Statement = { name: 'settings.set-methods', text: 'update instance set machine_auth_methods = $1' };

export async function setMachineAuthMethods(tx: Db, methods: readonly MachineAuthMethod[]): Promise<void> {
  await tx.query(SET_METHODS, [methods]);
}

const END_TOKENS: Statement = {
  name: 'settings.end-tokens',
  text: `
    update access_tokens t set revoked_at = now()
      from machine_logins ml
     where ml.id = t.machine_login_id and t.revoked_at is null and not ml.method = any ($1::text[])`,
};

const END_SERVICE_TOKENS: Statement = {
  name: 'settings.end-service-tokens',
  text: `
    update access_tokens t set revoked_at = now()
      from service_tokens st
     where st.id = t.id and t.revoked_at is null`,
};

/** Ends the tokens of every machine login that is off. A login that is under way has not seen that, or waits (see machine-logins). */
export async function endTokensOfOthers(tx: Db, on: readonly MachineAuthMethod[]): Promise<void> {
  await tx.query(END_TOKENS, [on]);
  if (!on.includes('service-token')) await tx.query(END_SERVICE_TOKENS, []);
}
