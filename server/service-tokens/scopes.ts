import { isOneFolder, type Rule, type ServiceTokenPermission, type ServiceTokenScope } from '../../contracts/index.ts';

/** What a service token may do, as rules of a role of its own: each permission in each scope. */
export function rulesOf(scopes: readonly ServiceTokenScope[], permissions: readonly ServiceTokenPermission[]): Rule[] {
  return scopes.flatMap((scope) => {
    const { environment, secretPath } = scope;
    const conditions = {
      environment: { $eq: environment },
      secretPath: isOneFolder(scope) ? { $eq: secretPath } : { $glob: secretPath },
    };
    const may = (subject: string, action: string[]): Rule => ({ subject, action, conditions });
    const secrets = [
      ...(permissions.includes('read') ? ['read'] : []),
      ...(permissions.includes('readValue') ? ['describeSecret', 'readValue'] : []),
      ...(permissions.includes('write') ? ['create', 'edit', 'delete'] : []),
    ];
    return [may('secrets', secrets), ...(permissions.includes('read') ? [may('secret-folders', ['read'])] : [])];
  });
}
