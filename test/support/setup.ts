import { afterEach } from 'vitest';
import { takeBreaches } from './contract.ts';
import { noteFailure } from './database.ts';

afterEach(({ task }) => {
  const breaches = takeBreaches();
  if (task.result?.state === 'fail' || breaches.length > 0) noteFailure();
  if (breaches.length > 0) {
    throw new Error(`answers that are not what the OpenAPI document says:\n  ${[...new Set(breaches)].join('\n  ')}`);
  }
});
