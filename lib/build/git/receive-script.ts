/**
 * Shell functions for the clone script: `receive` makes a repository in the working folder of what `sourceStream` sends, on
 * standard input, and sets `commit` where no branch is checked out. index-pack names each object by what it is, so the
 * commit that is checked out has the content that its id stands for.
 */
export const RECEIVE = `
receive() {
  IFS= read -r format && IFS= read -r head || return
  GIT_DEFAULT_HASH=$format GIT_DEFAULT_REF_FORMAT=files git init --quiet --template= . || return
  if [ "$format" != sha1 ] && [ "$(git rev-parse --show-object-format)" != "$format" ]; then
    echo "fatal: this git is too old for a repository whose objects are named by $format"
    return 1
  fi
  lines >.git/packed-refs && lines >.git/shallow || return
  [ -s .git/shallow ] || rm .git/shallow
  git -c core.fsync=none index-pack --stdin >/dev/null && printf '%s\\n' "$head" >.git/HEAD || return
  case $head in ref:*) ;; *) commit=$head ;; esac
}
lines() { while IFS= read -r line; do [ -n "$line" ] || return 0; printf '%s\\n' "$line"; done; false; }
`;
