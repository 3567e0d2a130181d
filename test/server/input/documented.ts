import { expect } from 'vitest';
import { ErrorBody } from '../../../contracts/index.ts';

/** What a refusal looks like, whatever was sent: a 4xx, and the body that the contract names. */
export function expectDocumented(answer: { status: number; text: string }, status?: number): ErrorBody {
  expect(answer, 'is refused').toMatchObject({ status: status ?? expect.toSatisfy(isRefusal) });
  const body = ErrorBody.strict().parse(JSON.parse(answer.text));
  expect(body.statusCode).toBe(answer.status);
  expect(Array.isArray(body.message), 'has issues exactly when it is a 422').toBe(answer.status === 422);
  expect(body.message.length).toBeGreaterThan(0);
  return body;
}

const isRefusal = (status: number) => status >= 400 && status < 500;
