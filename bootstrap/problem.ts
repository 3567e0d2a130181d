/** Something that the person at the command line can mend: one line that says what is wrong, one that says what to do. */
export class UserError extends Error {
  override readonly name = 'UserError';
  readonly hint: string | undefined;
  /** What the program ends with. @default - what the command ends with on any error, mostly 1 */
  readonly exitCode: number | undefined;

  constructor(message: string, hint?: string, cause?: unknown, exitCode?: number) {
    super(message, { cause });
    this.hint = hint;
    this.exitCode = exitCode;
  }
}
