import { createHash } from 'node:crypto';

const STYLE = `
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 26rem; margin: 4rem auto; padding: 0 1rem; color-scheme: light dark }
  h1 { font-size: 1.3rem } label { display: block; margin: .8rem 0 } input, select, button { font: inherit; width: 100%; box-sizing: border-box; padding: .5rem }
  #words { font: 1.6rem monospace; letter-spacing: .1em } [role=alert] { color: #c00 } [hidden] { display: none }
`;

/**
 * The page on which people let a command line in. Nothing of it comes from anybody else's host, nobody frames it, and what is in its address
 * is never made markup of.
 */
export const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Hanzo KMS: log a command line in</title>
<style>${STYLE}</style>
<h1>Hanzo KMS</h1>
<p role="alert" id="problem" hidden></p>
<noscript>This page needs JavaScript; kms login --password does without a browser.</noscript>
<form id="password" hidden>
  <p>Log in, to let kms on this computer in.</p>
  <label>E-mail address <input name="email" type="email" autocomplete="username" required></label>
  <label>Password <input name="password" type="password" autocomplete="current-password" required></label>
  <button>Log in</button>
</form>
<form id="sso" hidden>
  <label>Or by single sign-on of the organization <input name="organization" pattern="[a-z0-9-]+" required></label>
  <button>Go on to its provider</button>
</form>
<form id="choose" hidden>
  <label>Organization <select name="organization"></select></label>
  <button>Enter</button>
</form>
<form id="factor" hidden>
  <label>Code of your authenticator, or a recovery code <input name="code" autocomplete="one-time-code" required></label>
  <button>Verify</button>
</form>
<form id="allow" hidden>
  <p>A command line on this computer asks to act as you. It shows this, if it is yours:</p>
  <p id="words"></p>
  <p>If you did not just run <code>kms login</code>, close this page.</p>
  <button>Let it in</button>
</form>
<p id="done" hidden>You are logged in.</p>
<script src="command-line.js"></script>
`;

/** No inline script, no other host, no frame. The style is the one above, by its hash. */
export const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
  "connect-src 'self'",
  "form-action 'none'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');
