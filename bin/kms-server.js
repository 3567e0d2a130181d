#!/usr/bin/env -S node --max-semi-space-size=8
// V8 may take 16 MiB for new objects where it would take 64, most of which it keeps when idle.
import { launch } from './launch.js';

await launch('server/main', 'kms-server');
