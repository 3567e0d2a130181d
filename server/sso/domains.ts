/**
 * Whether an e-mail address lies in one of some domains (`example.com, *.acme.com`; none named: in any). Compared whole,
 * label by label: `example.com.evil.net` and `evilexample.com` are neither.
 */
export function isInDomains(email: string, domains: string): boolean {
  const allowed = domains.split(',').map((domain) => domain.trim());
  if (allowed.length === 1 && allowed[0] === '') return true;
  const domain = email.slice(email.lastIndexOf('@') + 1).toLowerCase();
  return allowed.some((one) => (one.startsWith('*.') ? domain.endsWith(one.slice(1)) : domain === one));
}
