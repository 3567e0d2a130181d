/** Something that the person at the command line can mend: one line that says what is wrong, one that says what to do. */
export class UserError extends Error {
  override readonly name = 'UserError';
  readonly hint: string | undefined;
  /** What the program ends with. @default 1 */
  readonly exitCode: number;

  constructor(message: string, hint?: string, cause?: unknown, exitCode = 1) {
    super(message, { cause });
    this.hint = hint;
    this.exitCode = exitCode;
  }
}
