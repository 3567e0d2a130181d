#!/usr/bin/env -S MALLOC_ARENA_MAX=2 node --max-semi-space-size=8
// V8 may take 16 MiB for new objects where it would take 64, most of which it keeps when idle. And glibc's malloc would make
// eight pools for Node's threads, and give back little of each: after lists of 100 KB that was 40 MB.
import { launch } from './launch.js';

await launch('server/main', 'kms-server');
