import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { imageWithScript } from "./derived-image.ts";

/** Runs git in a repository on this machine, and returns its output. */
export type Git = (...args: string[]) => string;

/** Replaces git's helper for https: for any host, the last part of the URL names a repository in /srv. */
const HELPER = `
while read -r line; do
  case $line in
    capabilities) printf 'connect\\n\\n' ;;
    'connect git-upload-pack')
      echo
      if [ -f /srv/pass ]; then git upload-pack "/srv/\${2##*/}" | perl /srv/pass; exit; fi
      exec git upload-pack "/srv/\${2##*/}" ;;
    connect*) printf 'fallback\\n' ;;
    *) exit 1 ;;
  esac
done
`;

/**
 * An image in which these repositories are reached as \`https://git.example.org/team/NAME\`, without any
 * network. `fill` makes each of them, from an empty one. \`passedBy\` is a Perl script that passes on what is
 * sent.
 */
export function smartRepositories(
  fill: Readonly<Record<string, (git: Git, folder: string) => void>>,
  { format = {}, passedBy }: {
    format?: Readonly<Record<string, "sha1" | "sha256">>;
    passedBy?: string;
  } = {},
): { readonly image: string; url(name: string): string } & Disposable {
  const image = imageWithScript("/usr/lib/git-core/git-remote-https", HELPER);
  const folder = mkdtempSync(join(tmpdir(), "smart-"));
  const docker = (...args: string[]) => execFileSync("docker", args, { encoding: "utf8" }).trim();
  const container = docker("create", image.name, "true");
  try {
    for (const [name, work] of Object.entries(fill)) {
      const path = join(folder, name);
      const git: Git = (...args) =>
        execFileSync("git", ["-C", path, "-c", "user.name=T", "-c", "user.email=t@example.org", ...args], {
          encoding: "utf8",
        }).trim();
      execFileSync("git", ["init", "-q", "-b", "main", `--object-format=${format[name] ?? "sha1"}`, path]);
      work(git, path);
    }
    if (passedBy !== undefined) writeFileSync(join(folder, "pass"), passedBy);
    docker("cp", `${folder}/.`, `${container}:/srv`);
    docker("commit", container, image.name);
  } finally {
    docker("rm", container);
    rmSync(folder, { recursive: true, force: true });
  }
  return {
    image: image.name,
    url: (name) => `https://git.example.org/team/${name}`,
    [Symbol.dispose]: () => image[Symbol.dispose](),
  };
}

/** Commits a file with this content. */
export function commit(
  git: Git,
  folder: string,
  name: string,
  content: string | Uint8Array = `${name}\n`,
): string {
  writeFileSync(join(folder, name), content);
  git("add", name);
  git("commit", "-qm", name);
  return git("rev-parse", "HEAD");
}
