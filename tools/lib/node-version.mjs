/** The oldest Node that these tools run on; the product itself runs on the repository's own Node. */
const OLDEST = 20;

/**
 * Ends the process with one line when Node is too old. Imported before anything whose syntax an old Node cannot read.
 *
 * @param {string} version
 */
export function requireNode(version) {
  if (Number(version.split('.')[0]) >= OLDEST) return;
  fail(`Node ${OLDEST} or newer is needed, this is ${version}`, 'install a current Node from https://nodejs.org');
}

/**
 * Ends the process with what is wrong and what to do.
 *
 * @param {string} error
 * @param {string} hint
 * @returns {never}
 */
export function fail(error, hint) {
  process.stderr.write(`hanzo-kms: error: ${error}\nhanzo-kms: hint: ${hint}\n`);
  process.exit(1);
}
