import { imageWithScript } from "./derived-image.ts";

/** In the place of git's own helper for https: whatever the URL, it answers with a repository that it makes on the spot. */
const HELPER = `
serve() {
  unset GIT_DIR GIT_WORK_TREE
  cd "$(mktemp -d)"
  git init -q -b main
  printf 'all:\\n\\t@echo built\\n' >Makefile
  git add .
  git -c user.name=T -c user.email=t@example.org commit -qm one
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

/** An https URL that has a repository (with a Makefile that says "built") in containers of this image, without any network. */
export function remoteRepository(): { readonly url: string; readonly image: string } & Disposable {
  const image = imageWithScript("/usr/lib/git-core/git-remote-https", HELPER);
  return {
    url: "https://git.example.org/app.git",
    image: image.name,
    [Symbol.dispose]: () => image[Symbol.dispose](),
  };
}
