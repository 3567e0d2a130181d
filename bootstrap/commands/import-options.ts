import type { FolderOptions } from './folder.ts';

/** How secrets are taken over. */
export interface ImportOptions extends FolderOptions {
  /** What the text is. @default "dotenv" */
  readonly from?: string;
  /** Of a compose file, the environment of this service alone. */
  readonly service?: string;
  /** Shows the plan, and changes nothing. */
  readonly dryRun?: boolean;
  /** Whether a secret that is there with another value gets the new one. @default false: it is an error */
  readonly overwrite?: boolean;
  /** Does not ask. */
  readonly yes?: boolean;
}
