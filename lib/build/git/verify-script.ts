/**
 * A shell function for the clone script: `check_signature COMMIT` returns only if git accepts the commit's
 * signature for each set of signers in SIGNERS (numbers of files `ssh-signers-N` and `openpgp-keys-N`). The
 * verdict is git's exit code. git has no configuration but ours, and no key but those of the set.
 */
export const VERIFY = `
# How a commit is signed: the first line of its signature.
signature_of() { git cat-file commit "$1" | sed -n -e '/^$/q' -e 's/^gpgsig[a-z0-9-]* //p' | head -n 1; }
verifying() { # set, then words for git
  set_of=$1
  shift
  (export GNUPGHOME="$private/gnupg-$set_of"; git -c "gpg.ssh.allowedSignersFile=$private/ssh-signers-$set_of" -c gpg.ssh.program=ssh-keygen \\
    -c gpg.program=gpg -c gpg.openpgp.program=gpg -c gpg.x509.program=false -c gpg.minTrustLevel=undefined "$@")
}
check_signature() {
  [ -n "$SIGNERS" ] || return 0
  signed=$1
  case $(signature_of "$signed") in
    '-----BEGIN SSH SIGNATURE-----') tool=ssh-keygen ;;
    '-----BEGIN PGP SIGNATURE-----' | '-----BEGIN PGP MESSAGE-----') tool=gpg ;;
    '') fact unsigned "$signed"; exit 71 ;;
    *) tool= ;;
  esac
  [ -z "$tool" ] || command -v $tool >/dev/null 2>&1 || { fact signature-tool $tool; exit 72; }
  # ssh-keygen refuses a user without a name.
  [ "$tool" != ssh-keygen ] || id -un >/dev/null 2>&1 || { fact signature-tool user; exit 72; }
  for set_number in $SIGNERS; do
    rm -rf "$private/gnupg-$set_number"
    mkdir -m 700 "$private/gnupg-$set_number" || exit 61
    printf 'batch\\nno-autostart\\nno-auto-key-retrieve\\nno-greeting\\n' >"$private/gnupg-$set_number/gpg.conf"
    if [ "$tool" = gpg ] && [ -s "$private/openpgp-keys-$set_number" ]; then
      GNUPGHOME="$private/gnupg-$set_number" gpg --quiet --import "$private/openpgp-keys-$set_number" || exit 72
    fi
    if ! verifying "$set_number" verify-commit "$signed"; then
      fact unverified "$signed"
      fact unverified-by "$set_number"
      exit 73
    fi
  done
  signer=$(verifying "$set_number" log -1 --no-show-signature '--format=%GS (%GF)' "$signed")
  fact signer "$signer"
}
`;
