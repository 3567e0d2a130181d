import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { Inventory } from '../../contracts/index.ts';

/** A service of the inventory: its name, and the project that holds its secrets. */
export interface Service {
  readonly name: string;
  readonly project: string;
}

const IDENTITY = /^(.+)-service$/;

/**
 * The services of `kms.yaml`: every identity `<service>-service` that reads one project. The inventory is the one list of
 * services; the manifests follow from it.
 */
export function servicesOf(file: string | URL): Service[] {
  const inventory = Inventory.parse(parse(readFileSync(file, 'utf8')));
  return inventory.organizations.flatMap(({ identities }) =>
    identities.flatMap(({ name, projects }) => {
      const service = IDENTITY.exec(name)?.[1];
      const project = projects[0]?.project;
      return service && project && projects.length === 1 ? [{ name: service, project }] : [];
    }),
  );
}
