#!/usr/bin/env -S MALLOC_ARENA_MAX=2 node --max-semi-space-size=8
import { launch } from './launch.js';

await launch('operator/main', 'kms-operator');
