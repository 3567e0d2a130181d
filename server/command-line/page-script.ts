/**
 * What the page does: logs the person in where their browser is not, asks, and carries a code to the loopback address of the command line.
 * Tokens stay in this script's memory: neither an address nor the page's storage ever has one.
 */
export const SCRIPT = `'use strict';
(() => {
  const KEPT = 'kms-command-line';
  const part = (id) => document.getElementById(id);
  const forms = ['password', 'sso', 'choose', 'factor', 'allow'];
  const show = (...ids) => { for (const id of [...forms, 'done']) part(id).hidden = !ids.includes(id); };
  const tell = (problem) => { part('problem').textContent = problem || ''; part('problem').hidden = !problem; };

  const query = new URLSearchParams(location.search);
  let asked = { port: query.get('port'), state: query.get('state'), challenge: query.get('challenge') };
  if (asked.challenge) {
    sessionStorage.setItem(KEPT, JSON.stringify(asked));
    history.replaceState(null, '', 'command-line');
  } else asked = JSON.parse(sessionStorage.getItem(KEPT) || '{}');
  const isBytes = (text) => /^[A-Za-z0-9_-]{43}$/.test(text || '');
  const isRight = /^[0-9]{4,5}$/.test(asked.port || '') && asked.port >= 1024 && asked.port <= 65535
    && isBytes(asked.state) && isBytes(asked.challenge);

  const call = async (method, path, token, body) => {
    const headers = { accept: 'application/json' };
    if (token) headers.authorization = 'Bearer ' + token;
    if (body) headers['content-type'] = 'application/json';
    const answer = await fetch('../api/' + path, { method, headers, body: body && JSON.stringify(body) });
    const json = await answer.json().catch(() => ({}));
    if (answer.ok) return json;
    throw new Error(typeof json.message === 'string' ? json.message : 'The server answered ' + answer.status + '.');
  };

  let token = '';
  const ask = () => {
    const bytes = [...atob(asked.challenge.replaceAll('-', '+').replaceAll('_', '/'))].slice(0, 4);
    const words = bytes.map((byte) => byte.charCodeAt(0).toString(16).padStart(2, '0')).join('').toUpperCase();
    part('words').textContent = words.slice(0, 4) + '-' + words.slice(4);
    show('allow');
  };
  const enter = async (organizationId) => {
    const entered = await call('POST', 'v3/auth/select-organization', token, { organizationId });
    token = entered.token;
    if (entered.isMfaEnabled) show('factor'); else ask();
  };
  const choose = async () => {
    const { organizations } = await call('GET', 'v2/users/me/organizations', token);
    if (organizations.length === 1) return enter(organizations[0].id);
    if (organizations.length === 0) throw new Error('You belong to no organization.');
    part('choose').elements.organization.replaceChildren(...organizations.map(({ id, slug }) => new Option(slug, id)));
    show('choose');
  };
  const submit = {
    password: async ({ email, password }) => {
      token = (await call('POST', 'v3/auth/login', '', { email: email.value, password: password.value })).accessToken;
      password.value = '';
      await choose();
    },
    sso: async ({ organization }) => location.assign('../api/v1/sso/oidc/login?orgSlug=' + encodeURIComponent(organization.value)),
    choose: ({ organization }) => enter(organization.value),
    factor: async ({ code }) => {
      token = (await call('POST', 'v2/auth/mfa/verify', token, { mfaToken: code.value, mfaMethod: 'totp' })).token;
      ask();
    },
    allow: async () => {
      const { code } = await call('POST', 'v1/auth/command-line/code', token, { challenge: asked.challenge });
      sessionStorage.removeItem(KEPT);
      location.replace('http://127.0.0.1:' + asked.port + '/done?' + new URLSearchParams({ code, state: asked.state }));
    },
  };
  for (const id of forms)
    part(id).addEventListener('submit', (event) => {
      event.preventDefault();
      tell('');
      submit[id](event.target.elements).catch((error) => {
        tell(error.message);
        // Whoever logged in too long ago does so again.
        if (id === 'allow') show('password', 'sso');
      });
    });

  const begin = async () => {
    if (!isRight) {
      if (location.pathname.endsWith('/sso')) show('done');
      else tell('This page is opened by kms login. Run it again.');
      return;
    }
    const going = await call('POST', 'v1/auth/token', '').catch(() => undefined);
    token = going ? going.token : '';
    if (!going) show('password', 'sso');
    else if (going.organizationId) ask();
    else await choose();
  };
  begin().catch((error) => { tell(error.message); show('password', 'sso'); });
})();
`;
