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
 * A shell function that prints an image's own authorities: those of SSL_CERT_FILE, else of the system.
 * `known_authorities` prints nothing where an image has none.
 */
export const KNOWN_AUTHORITIES = `
known_authorities() {
  for known in "$SSL_CERT_FILE" ${SYSTEM_FILES.join(" ")}; do
    [ -f "$known" ] && [ -s "$known" ] || continue
    if [ "$(wc -c <"$known")" -gt ${MOST_BYTES} ]; then echo "$known is larger than ${MOST_BYTES} bytes, and not used" >&2; continue; fi
    cat <"$known" && echo && return
  done
}
`;
