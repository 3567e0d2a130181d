import { type MachineAuthMethod, machineAuthMethods } from '../../contracts/index.ts';
import type { Access, Caller } from '../access/access.ts';
import type { Audit } from '../audit/audit.ts';
import type { Db } from '../database/database.ts';
import { forbidden } from '../refusal.ts';
import { endTokensOfOthers, findInstance, type InstanceRow, setMachineAuthMethods } from './store.ts';

/** The settings of the instance as a whole. Everyone may read them; instance admins change them. */
export class Settings {
  readonly #db: Db;
  readonly #access: Access;
  readonly #audit: Audit;

  constructor(options: { db: Db; access: Access; audit: Audit }) {
    this.#db = options.db;
    this.#access = options.access;
    this.#audit = options.audit;
  }

  async get(): Promise<InstanceRow> {
    return findInstance(this.#db);
  }

  /** Switches machine logins on and off. Tokens of those that are off end at once. */
  async update(caller: Caller, change: { machineAuthMethods?: readonly string[] | undefined }): Promise<InstanceRow> {
    return this.#access.changeInstance(caller, 'update-server-config', async (tx, actor) => {
      if (change.machineAuthMethods !== undefined) {
        const on = machineAuthMethods.filter((method) => change.machineAuthMethods!.includes(method));
        await setMachineAuthMethods(tx, on);
        await endTokensOfOthers(tx, on);
        await this.#audit.writeWithin(tx, [
          {
            action: 'update',
            event: 'update-server-config',
            outcome: 'allowed',
            actor,
            metadata: { machineAuthMethods: on },
            origin: caller.origin,
          },
        ]);
      }
      return findInstance(tx);
    });
  }

  /** Refuses what belongs to a machine login that is off. */
  async require(method: MachineAuthMethod): Promise<void> {
    const { machineAuthMethods: on } = await findInstance(this.#db);
    if (!on.includes(method)) throw switchedOff(method, on);
  }
}

/** Says that a machine login is off, which ones are on, and who can change that. */
export const switchedOff = (method: MachineAuthMethod, on: readonly MachineAuthMethod[]) =>
  forbidden(
    `${method} is switched off on this instance; an instance admin can switch it on ` +
      `(PATCH /api/v1/admin/config, machineAuthMethods)`,
    { method, machineAuthMethods: ['universal-auth', ...on] },
  );
