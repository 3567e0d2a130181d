import { afterAll } from 'vitest';
import { stopLoads } from './load.ts';

afterAll(stopLoads, 60_000);
