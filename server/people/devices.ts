import { randomBytes } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { macFor, sameMac } from '../../keys/index.ts';
import { cookieOf, setCookie } from '../http/cookies.ts';
import type { Keyring } from '../keyring/keyring.ts';

const COOKIE = 'kms-device';
const A_YEAR_SECONDS = 31_536_000;
const NUMBER = /^[A-Za-z0-9_-]{22}$/;

/**
 * Knows browsers that an account was logged in with, by a cookie that this server signed for that account. It opens
 * nothing: it only counts wrong passwords of that browser apart from everybody else's (people/throttle.ts).
 */
export class Devices {
  readonly #keyring: Keyring;

  constructor(keyring: Keyring) {
    this.#keyring = keyring;
  }

  /** The number of the account's cookie that came with a request, if it is one of ours and of this account. */
  numberOf(request: FastifyRequest, email: string): string | undefined {
    const [number = '', mac = ''] = (cookieOf(request, COOKIE) ?? '').split('.');
    if (!NUMBER.test(number)) return undefined;
    return sameMac(Buffer.from(this.#mac(email, number)), Buffer.from(mac)) ? number : undefined;
  }

  /** Lets a browser be known as one that this account was logged in with. */
  remember(request: FastifyRequest, reply: FastifyReply, email: string): void {
    const number = this.numberOf(request, email) ?? randomBytes(16).toString('base64url');
    setCookie(reply, COOKIE, `${number}.${this.#mac(email, number)}`, { path: '/api', maxAge: A_YEAR_SECONDS });
  }

  #mac(email: string, number: string): string {
    return macFor(this.#keyring.clientSecretMacKey, 'device', email, number).toString('base64url');
  }
}
