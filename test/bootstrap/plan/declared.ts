import type { Inventory } from '../../../contracts/inventory.ts';
import type { Model } from './model.ts';

/** What a world lacks of an inventory, told without the planner: the ends are compared, not the ways. */
export function lacks(model: Model, inventory: Inventory): string[] {
  const lacking: string[] = [];
  const want = (what: string, found: unknown, wanted: unknown) => {
    if (wanted !== undefined && JSON.stringify(found) !== JSON.stringify(wanted)) {
      lacking.push(`${what}: ${JSON.stringify(found)}, not ${JSON.stringify(wanted)}`);
    }
  };
  for (const organization of inventory.organizations) {
    const live = model.organizations.get(organization.slug);
    want(`name of ${organization.slug}`, live?.name, organization.name ?? live?.name ?? 'there');
    for (const email of organization.admins) want(`role of ${email}`, live?.members.get(email), 'admin');
    for (const project of organization.projects) {
      const found = live?.projects.get(project.slug);
      want(`name of ${project.slug}`, found?.name, project.name);
      want(`description of ${project.slug}`, found?.description, project.description);
      for (const { slug, name } of project.environments) {
        const environment = found?.environments.get(slug);
        want(`environment ${slug}`, environment?.name, name ?? environment?.name ?? 'there');
        for (const path of project.folders)
          if (path !== '/') want(`folder ${path}`, environment?.folders.has(path), true);
        for (const [key, { kind, path, environments }] of Object.entries(project.secrets)) {
          if (environments && !environments.includes(slug)) continue;
          if (path !== '/') want(`folder ${path}`, environment?.folders.has(path), true);
          const generated = ['database-password', 'encryption-key', 'jwt-signing-key'].includes(kind);
          if (generated) want(`secret ${key} in ${slug}`, environment?.secrets.has(`${path}:${key}`), true);
        }
      }
    }
    for (const { name, role, projects } of organization.identities) {
      want(`identity ${name}`, live?.identities.get(name), { role, universalAuth: true });
      for (const { project, role, environments } of projects) {
        const [grant, ...more] = live?.projects.get(project)?.access.get(name) ?? [];
        want(`role of ${name} in ${project}`, grant?.role, role);
        want(
          `reach of ${name} in ${project}`,
          [...(grant?.environments ?? ['all'])].sort(),
          [...(environments ?? ['all'])].sort(),
        );
        want(`further roles of ${name}`, more, []);
      }
    }
  }
  return lacking;
}
