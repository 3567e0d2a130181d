import type { ReadRow } from './fill-store.ts';
import type { Located } from './linked.ts';
import type { Spot } from './visibility.ts';

/** A secret, and where it was found. */
export interface Found {
  readonly row: ReadRow;
  readonly at: Located;
}

/** Where the rights to a secret are asked. */
export const spotOf = ({ row, at }: Found): Spot => ({
  ...at.scope,
  key: row.key,
  tags: row.tags.map(({ slug }) => slug),
});
