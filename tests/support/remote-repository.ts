import { imageWithScript } from "./derived-image.ts";

export interface RemoteFiles {
  /** Lines of a script `configure`. */
  readonly configure?: string;
  /** A file that `make` makes, with the content "made". */
  readonly makes?: string;
  /** A tag of its one commit. */
  readonly tag?: string;
}

/** Replaces git's helper for https: for any URL it serves a repository that it makes on the spot. */
export const remoteHelper = ({ configure = "", makes, tag }: RemoteFiles = {}) => `
serve() {
  unset GIT_DIR GIT_WORK_TREE
  cd "$(mktemp -d)"
  git init -q -b main
  printf 'all:\\n\\t@echo built\\n' >Makefile
  ${makes === undefined ? "" : `printf '\\t@echo made >${makes}\\n' >>Makefile`}
  printf '#!/bin/sh\\n%s\\n' '${configure}' >configure
  chmod +x configure
  git add .
  git -c user.name=T -c user.email=t@example.org commit -qm one
  ${tag === undefined ? "" : `git tag ${tag}`}
  exec git upload-pack .
}
while read -r line; do
  case $line in
    capabilities) printf 'connect\\n\\n' ;;
    'connect git-upload-pack') echo; serve ;;
    connect*) printf 'fallback\\n' ;;
    *) exit 1 ;;
  esac
done
`;

/**
 * An https URL, and an image in whose containers it has a repository (with a Makefile that says "built")
 * without any network.
 */
export function remoteRepository(
  files: RemoteFiles = {},
): { readonly url: string; readonly image: string } & Disposable {
  const image = imageWithScript("/usr/lib/git-core/git-remote-https", remoteHelper(files));
  return {
    url: "https://git.example.org/app.git",
    image: image.name,
    [Symbol.dispose]: () => image[Symbol.dispose](),
  };
}
