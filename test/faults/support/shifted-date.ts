/**
 * Loaded into a server before it (`node --import`): its clock is as wrong as the file that CLOCK_FILE names says, in
 * milliseconds, and jumps when the file is written. Timers and `performance` go on, as they do when a system's clock is set.
 */
import { readFileSync } from 'node:fs';

const file = process.env.CLOCK_FILE!;
const RealDate = Date;
let offset = 0;
const look = () => {
  offset = Number(readFileSync(file, 'utf8'));
};
look();
setInterval(look, 20).unref();

globalThis.Date = class extends RealDate {
  constructor(...given: []) {
    if (given.length === 0) super(RealDate.now() + offset);
    else super(...given);
  }

  static override now(): number {
    return RealDate.now() + offset;
  }

  /** Some dates are made by Node itself. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return Object.prototype.toString.call(value) === '[object Date]';
  }
} as DateConstructor;
