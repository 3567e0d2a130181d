/** Where something sealed lies that does not open. Names and ids; never a value, nor a key. */
export type BrokenPlace = BrokenSecret | BrokenConfig | BrokenProjectKey | BrokenInstanceKey;

export interface BrokenSecret {
  readonly projectId: string;
  readonly environmentId: string;
  readonly secretId: string;
  readonly key: string;
  readonly version: number;
  readonly field: 'value' | 'comment' | 'metadata';
  /** Of a person's own value. */
  readonly ownerId?: string;
}

/** Something that the instance itself keeps sealed; see `Keyring.sealConfig`. */
interface BrokenConfig {
  readonly purpose: string;
  readonly ownerId: string;
}

/** A wrapped key of a project. */
interface BrokenProjectKey {
  readonly projectId: string;
  readonly keyVersion: number;
}

/** A wrapped key of the instance, by its name in the table. */
interface BrokenInstanceKey {
  readonly instanceKey: string;
  readonly keyVersion: number;
}

const places = new WeakMap<Error, BrokenPlace>();

/** Which place an error is about, when it is one of a seal that broke. */
export const brokenPlace = (error: Error): BrokenPlace | undefined => places.get(error);

/** Remembers of an error which place it is about, for the alarm: the error itself says nothing about it. Returns the error. */
export function atBroken(error: unknown, place: BrokenPlace): unknown {
  if (error instanceof Error && !places.has(error)) places.set(error, place);
  return error;
}
