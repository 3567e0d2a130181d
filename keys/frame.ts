const LENGTH_BYTES = 4;
const MOST_UTF8_PER_UNIT = 3;

/**
 * Writes fields one after the other, each as its length (4 bytes, big endian) and its bytes (text as UTF-8, numbers as
 * decimal text). Two different lists never give the same bytes: without lengths, someone who chooses two neighbouring
 * fields (a project `ab` with `c`, a project `a` with `bc`) would get one authentication for both.
 *
 * @throws TypeError on text that is not well-formed Unicode (its UTF-8 would be that of another text) and on a number
 *   that is not a safe integer of 0 or more.
 */
export function frame(fields: readonly (string | number | Buffer)[]): Buffer {
  let room = 0;
  for (const field of fields) {
    room +=
      LENGTH_BYTES +
      (typeof field === 'number' ? 16 : typeof field === 'string' ? field.length * MOST_UTF8_PER_UNIT : field.length);
  }
  const framed = Buffer.allocUnsafe(room);
  let end = 0;
  for (const field of fields) {
    const start = end + LENGTH_BYTES;
    const length = typeof field === 'object' ? field.copy(framed, start) : framed.write(asText(field), start, 'utf8');
    framed.writeUInt32BE(length, end);
    end = start + length;
  }
  return framed.subarray(0, end);
}

function asText(field: string | number): string {
  if (typeof field === 'number') {
    if (!Number.isSafeInteger(field) || field < 0)
      throw new TypeError('a framed number is a safe integer of 0 or more');
    return String(field);
  }
  if (!field.isWellFormed()) throw new TypeError('a framed text is well-formed Unicode');
  return field;
}
