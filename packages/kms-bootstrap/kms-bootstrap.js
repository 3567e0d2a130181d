#!/usr/bin/env node
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

// No export of the package leads to a program; its package.json says where it lies.
const kms = dirname(createRequire(import.meta.url).resolve('@hanzo/kms/package.json'));
await import(pathToFileURL(join(kms, 'bin/kms-bootstrap.js')).href);
