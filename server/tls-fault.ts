/** Node's codes for a certificate that is not trusted, not for that name, or over, and for a handshake that failed. */
const TLS = /^(CERT_|ERR_TLS_|ERR_SSL_|ERR_OSSL_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|EPROTO$|HOSTNAME_MISMATCH)/;

/** Whether a connection failed because the other side could not show, by TLS, that it is who was called. */
export const isTlsFault = (code: string) => TLS.test(code);
