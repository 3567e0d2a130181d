import { expect, test } from 'vitest';
import { isHeld, LoginGate } from '../../operator/kms/login-gate.ts';
import { Kms } from '../../sdk/index.ts';

const LOGIN = '/api/v1/auth/universal-auth/login';
const answer = { accessToken: 'token', expiresIn: 60, accessTokenMaxTTL: 60, tokenType: 'Bearer' };

/** KMS that answers when it is told to, and what was asked of it, by client secret. */
function slowKms() {
  const asked: string[] = [];
  const waiting: (() => void)[] = [];
  const gate = new LoginGate();
  const client = (secret: string, ...former: string[]) => {
    for (const one of former) gate.close(one);
    const fetch = async (url: URL) => {
      asked.push(`${secret} ${url.pathname}`);
      await new Promise<void>((resolve) => waiting.push(resolve));
      return { status: 200, headers: { get: () => null }, body: new Blob([JSON.stringify(answer)]).stream() };
    };
    const guarded = gate.guard(secret, former, fetch as never);
    const credentials = { clientId: 'id', clientSecret: secret };
    return new Kms({ url: 'https://kms.example', credentials, fetch: guarded, retries: 0 });
  };
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  return { asked, client, settle, answer: () => waiting.splice(0).forEach((resolve) => void resolve()) };
}

test('nothing logs in with a client secret whose successor is known', async () => {
  const kms = slowKms();
  const one = kms.client('one');
  kms.client('two', 'one');
  const error = await one.logIn().catch((refused: unknown) => refused);
  expect([isHeld(error), kms.asked]).toEqual([true, []]);
});

test('a successor waits for logins of the one before that are under way', async () => {
  const kms = slowKms();
  const first = kms.client('one').logIn();
  await kms.settle();
  const second = kms.client('two', 'one').logIn();
  await kms.settle();
  expect(kms.asked).toEqual([`one ${LOGIN}`]);
  kms.answer();
  await first;
  await kms.settle();
  expect(kms.asked).toEqual([`one ${LOGIN}`, `two ${LOGIN}`]);
  kms.answer();
  await second;
});

test('what is no login goes on, with the token that there is', async () => {
  const kms = slowKms();
  const one = kms.client('one');
  const login = one.logIn();
  await kms.settle();
  kms.answer();
  await login;
  kms.client('two', 'one');
  void one.secrets.list({ projectSlug: 'gateway', environment: 'prod' }).catch(() => undefined);
  await kms.settle();
  expect(kms.asked.at(-1)).toMatch(/^one \/api\/v\d\/secrets/);
});
