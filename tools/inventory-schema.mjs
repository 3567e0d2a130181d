// Writes contracts/inventory.schema.json from the zod schema. Run it after a change of contracts/inventory.ts; a test compares both.
import { writeFile } from 'node:fs/promises';
import { inventoryJsonSchema } from '../contracts/inventory.ts';

const target = new URL('../contracts/inventory.schema.json', import.meta.url);
await writeFile(target, `${JSON.stringify(inventoryJsonSchema(), null, 2)}\n`);
