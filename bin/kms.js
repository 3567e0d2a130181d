#!/usr/bin/env node
import { launch } from './launch.js';

await launch('bootstrap/kms', 'kms');
