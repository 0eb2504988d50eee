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
  receive_lfs || return
  git -c core.fsync=none index-pack --stdin >/dev/null && printf '%s\\n' "$head" >.git/HEAD || return
  case $head in ref:*) ;; *) commit=$head ;; esac
  receive_modules
}
# Objects of Git LFS that were sent, an archive for each git folder. They may be large, so git-lfs is asked for first. One whose
# hash is wrong is removed. No loop over all of them: starting a program for each, or reading a line, takes longer than the rest.
receive_lfs() {
  lines && lines >.git/sent-lfs || return
  [ -s .git/sent-lfs ] || { rm .git/sent-lfs; return; }
  need_lfs
  if ! command -v tar >/dev/null 2>&1; then
    echo 'Git LFS: the content on this machine is not used, since the image has no tar'
    while IFS=' ' read -r size folder <&4; do exactly "$size" >/dev/null || return; done 4<.git/sent-lfs
    rm .git/sent-lfs
    return
  fi
  sums=$PWD/.git/sums
  while IFS=' ' read -r size folder <&4; do
    mkdir -p "$folder/lfs/objects" && exactly "$size" | tar -xmof - -C "$folder/lfs/objects" || return
    (
      cd "$folder/lfs/objects" && printf '%s\\0' */*/* | xargs -0 sha256sum -- >"$sums" || exit
      grep -v '^\\(.*\\)  ../../\\1$' "$sums" | while IFS=' ' read -r sum path; do
        rm "$path" || exit
        printf 'Git LFS: not used from this machine, its content has another hash: %s\\n' "\${path##*/}"
      done
    ) || return
  done 4<.git/sent-lfs
  rm .git/sent-lfs "$sums"
}
# That many bytes. Unlike others, dd reads no byte more.
exactly() {
  if [ "$1" -ge 1048576 ]; then dd bs=1048576 count=$(($1 / 1048576)) iflag=fullblock status=none || return; fi
  set -- $(($1 % 1048576))
  [ "$1" = 0 ] || dd bs="$1" count=1 iflag=fullblock status=none
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
