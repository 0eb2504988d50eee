/**
 * Shell functions for the clone script. `receive` creates a repository in the working folder from
 * `sourceStream` on standard input, and sets `commit` if no branch is checked out. index-pack computes each
 * object's id from its content, so the checked-out commit has the content that its id stands for.
 */
export const RECEIVE = `
receive() {
  IFS= read -r format && IFS= read -r head || return
  (export GIT_DEFAULT_HASH="$format" GIT_DEFAULT_REF_FORMAT=files; git init --quiet --template= .) || return
  if [ "$format" != sha1 ] && [ "$(git rev-parse --show-object-format)" != "$format" ]; then
    echo "fatal: this git is too old for a repository whose objects are named by $format"
    return 1
  fi
  lines >.git/packed-refs && lines >.git/shallow && lines >.git/sent-modules && lines >.git/sent-shallow || return
  [ -s .git/shallow ] || rm .git/shallow
  git -c core.fsync=none index-pack --stdin >/dev/null && printf '%s\\n' "$head" >.git/HEAD || return
  case $head in ref:*) ;; *) commit=$head ;; esac
  receive_modules
}
# Each submodule that was sent gets its git folder, where "git submodule" looks for it; the objects are the repository's.
receive_modules() {
  while IFS=' ' read -r id module; do
    folder=.git/$module
    mkdir -p "$folder/objects/info" "$folder/refs" && cp .git/config "$folder/config" || return
    printf '%s\\n' "$PWD/.git/objects" >"$folder/objects/info/alternates" && printf '%s\\n' "$id" >"$folder/HEAD" || return
    while IFS=' ' read -r cut of; do
      [ "$of" != "$module" ] || printf '%s\\n' "$cut"
    done <.git/sent-shallow >"$folder/shallow"
    [ -s "$folder/shallow" ] || rm "$folder/shallow"
  done <.git/sent-modules
  rm .git/sent-modules .git/sent-shallow
}
lines() { while IFS= read -r line; do [ -n "$line" ] || return 0; printf '%s\\n' "$line"; done; false; }
`;
