import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FULL_GIT_IMAGE } from "./full-git-image.ts";

/** Makes keys, a repository with a branch for each kind of signature, and prints both as an archive. */
const SCRIPT = `
set -e
mkdir -p /out/repo && cd /out
export HOME=/tmp/home GNUPGHOME=/tmp/gnupg GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@example.org
mkdir -p -m 700 $HOME $GNUPGHOME
for name in alice mallory; do
  ssh-keygen -q -t ed25519 -N '' -C $name -f /tmp/$name
  echo "$name@example.org $(cat /tmp/$name.pub)" >$name.signers
  gpg --batch --quiet --passphrase '' --quick-gen-key "$name <$name@example.org>" ed25519 sign never
  gpg --armor --export $name@example.org >$name.asc
done
cd repo
git init -q -b main
echo one >a.txt
git add a.txt
git commit -qm unsigned
git branch unsigned
signed() { # branch, options of git
  branch=$1
  shift
  git checkout -q -b $branch unsigned
  git "$@" commit -q -S --allow-empty -m $branch
}
for name in alice mallory; do
  signed ssh-$name -c gpg.format=ssh -c user.signingKey=/tmp/$name.pub
  signed gpg-$name -c user.signingKey=$name@example.org
done
for kind in ssh gpg; do
  git branch $kind-changed $(git cat-file commit $kind-alice | sed "s/^$kind-alice/evil/" | git hash-object -t commit -w --stdin)
done
gpgconf --kill all
tar -C /out -cf - .
`;

/**
 * Branches: `unsigned`, `ssh-NAME` and `gpg-NAME` of alice and mallory, `ssh-changed` and `gpg-changed` after
 * alice signed.
 */
export interface SignedRepository extends Disposable {
  readonly path: string;
  /** Texts of files of signers: ssh's allowed signers and OpenPGP keys. */
  readonly signers: Readonly<Record<"alice" | "mallory", { readonly ssh: string; readonly openpgp: string }>>;
}

export function signedRepository(): SignedRepository {
  const folder = mkdtempSync(join(tmpdir(), "signed-"));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  try {
    const words = ["run", "--rm", "--network", "none", FULL_GIT_IMAGE, "sh", "-c", SCRIPT];
    const archive = execFileSync("docker", words, { maxBuffer: 64 * 1024 * 1024, stdio: "pipe" });
    execFileSync("tar", ["-C", folder, "--no-same-owner", "-xf", "-"], { input: archive });
    const text = (name: string) => readFileSync(join(folder, name), "utf8");
    const of = (name: string) => ({ ssh: text(`${name}.signers`), openpgp: text(`${name}.asc`) });
    const signers = { alice: of("alice"), mallory: of("mallory") };
    return { path: join(folder, "repo"), signers, [Symbol.dispose]: remove };
  } catch (error) {
    remove();
    throw error;
  }
}
