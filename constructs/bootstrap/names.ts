/** Secret with `username` and `password` of the bundled Postgres. */
export const BUNDLED_POSTGRES_SECRET = 'kms-postgres-auth';
/** Secret with `password` of the bundled Redis. */
export const BUNDLED_REDIS_SECRET = 'kms-redis-auth';
