import { z } from 'zod';

/** A setting as a table of the documents has it. */
export interface SettingRow {
  /** Its place, such as `ingress.host` or `services[].name`. */
  readonly path: string;
  /** As JSON; undefined where there is none. */
  readonly default: string | undefined;
  readonly needed: boolean;
  readonly use: string;
}

/** Every setting of a schema that is no object of others, in its order. */
export function settingsOf(schema: z.ZodType): SettingRow[] {
  const rows: SettingRow[] = [];
  const walk = ({ properties = {}, required = [] }: any, prefix: string) => {
    for (const [key, child] of Object.entries<any>(properties)) {
      const path = `${prefix}${key}`;
      if (child.properties) walk(child, `${path}.`);
      else if (child.items?.properties) walk(child.items, `${path}[].`);
      else {
        const given = child.default === undefined ? undefined : JSON.stringify(child.default);
        rows.push({ path, default: given, needed: required.includes(key), use: child.description });
      }
    }
  };
  walk(z.toJSONSchema(schema, { io: 'input' }), '');
  return rows;
}

/** The rows of a table, as Markdown. */
export const asTable = (rows: readonly SettingRow[]) =>
  rows
    .map(({ path, default: otherwise, needed, use }) => {
      const shown = otherwise !== undefined ? `\`${otherwise.replace(/^"(.*)"$/, '$1')}\`` : needed ? '- needed' : '-';
      return `| \`${path}\` | ${shown} | ${use} |`;
    })
    .join('\n');
