import { afterEach } from 'vitest';
import { noteFailure } from './database.ts';

afterEach(({ task }) => {
  if (task.result?.state === 'fail') noteFailure();
});
