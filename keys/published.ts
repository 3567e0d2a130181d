/**
 * Example keys that Infisical's documentation and `.env.example` have printed for years, and that installations were
 * made with by copying. They look random, and everyone who attacks such an installation knows them.
 */
const PUBLISHED = new Set([
  '5lrMXKKWCVocS/uerPsl7V+TX/aaUaI7iDkgl3tSmLE=',
  'VVHnGZ0w98WLgISK4XSJcagezuG6EWRFTk48KE4Y5Mw=',
  'f13dbc92aaaf86fa7cb0ed8ac3265f47',
  '6c1fe4e407b8911c104518103505b218',
]);

/** Whether a key, in the spelling that is printed there, is one that everyone knows. */
export function isPublished(text: string): boolean {
  return PUBLISHED.has(text);
}
