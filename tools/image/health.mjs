#!/usr/bin/env node
// `kms-health [path]`: whether the program in this container is well, for a HEALTHCHECK. The operator's path is /readyz.
import http from 'node:http';
import https from 'node:https';

const port = Number(process.env.PORT || 8080);
const path = process.argv[2] ?? '/api/status';
// This process's own host, which nobody else can be; its certificate is for the name that others know it by.
const { request } = process.env.TLS_CERT_FILE ? https : http;
const options = { host: '127.0.0.1', port, path, timeout: 4000, rejectUnauthorized: false };

/** @param {string} problem */
function fail(problem) {
  process.stderr.write(`kms-health: ${problem}\n`);
  process.exit(1);
}

request(options, (answer) => {
  if (answer.statusCode === 200) process.exit(0);
  fail(`${path} answers ${answer.statusCode}`);
})
  .on('timeout', () => fail(`${path} does not answer within 4 seconds`))
  .on('error', (error) => fail(`port ${port} cannot be reached (${error.code ?? error.message})`))
  .end();
