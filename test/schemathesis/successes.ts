import type { Attack } from './attack.ts';

/** One name for a route of the server and for what the document says of it: `GET /api/v1/projects/{}`. */
export const operationOf = (method: string, path: string): string =>
  `${method.toUpperCase()} ${path.replace(/\/$/, '').replace(/:[A-Za-z]+|\{[^}]+\}/g, '{}')}`;

/** What the document has, in its order. */
export const operationsOf = ({ paths }: Attack['document']): string[] =>
  Object.entries(paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => operationOf(method, path)),
  );
