/** Where systems keep their certificate authorities, in one file. */
const SYSTEM_FILES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

/** Most bytes of a file with authorities. Those of systems have some 200,000. */
export const MOST_BYTES = 16_000_000;

/**
 * Shell functions. `usable_authorities FILE` says on stderr why a file with authorities is not used; nothing
 * of one that is not there. `known_authorities` prints an image's own authorities: those of SSL_CERT_FILE,
 * else of the system; nothing where an image has none.
 */
export const KNOWN_AUTHORITIES = `
usable_authorities() {
  [ -f "$1" ] && [ -s "$1" ] || return 1
  [ -r "$1" ] || { echo "$1 cannot be read by user $(id -u), and is not used" >&2; return 1; }
  [ "$(wc -c <"$1")" -le ${MOST_BYTES} ] || { echo "$1 is larger than ${MOST_BYTES} bytes, and not used" >&2; return 1; }
}
known_authorities() {
  for known in "$SSL_CERT_FILE" ${SYSTEM_FILES.join(" ")}; do
    if usable_authorities "$known"; then cat <"$known" && echo; return; fi
  done
}
`;
