import type { Origin } from '../audit/store.ts';

/** Who calls, as far as the token's signature tells. Everything else is asked of the database, at each request. */
export interface Caller {
  readonly tokenId: string;
  /** Names the caller's answers in memory, nothing more. */
  readonly actorId: string;
  /** The token has only so many uses, so each one is counted before anything else. */
  readonly usesLimited: boolean;
  /** A service token: it works on few routes (http/service-tokens.ts). @default false */
  readonly isServiceToken?: boolean;
  /** Some list may show when the token was last used. @default false */
  readonly isListed?: boolean | undefined;
  readonly origin: Origin;
}

/** How a request names its project: by id, or by a slug within the caller's organizations. */
export interface ProjectReference {
  readonly id?: string | undefined;
  readonly slug?: string | undefined;
  readonly organizationId?: string | undefined;
}
