export type { Prove } from './admin.ts';
export type { Credentials } from './authentication.ts';
export * from './errors.ts';
export type { Change, SubscribeOptions } from './events.ts';
export type { RoleGrant } from './identities.ts';
export { Kms, type KmsOptions } from './kms.ts';
export { type LoadOptions, loadEnv } from './load-env.ts';
export type {
  ChangedSecret,
  FolderAddress,
  Look,
  NamedSecret,
  NewSecret,
  ProjectRef,
  ReadOptions,
} from './secrets.ts';
export type { Fetch } from './transport.ts';
export { type Watched, watchFolder } from './watch.ts';
