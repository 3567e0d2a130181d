/** Fields of rows, one array each and in the order of the names, as `unnest` takes them. */
export function columns<Row>(rows: readonly Row[], ...names: readonly (keyof Row)[]): Row[keyof Row][][] {
  return names.map((name) => rows.map((row) => row[name]));
}
