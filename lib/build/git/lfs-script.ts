/**
 * Shell functions for the clone script, for files of Git LFS. `say_pointers` logs which files are pointers.
 * `fill_pointers` puts their content in their place, in the repository of the current folder and with
 * SUBMODULES in those below it.
 *
 * The content comes from where git-lfs would look for it, or from the https URL that the repository's
 * `.lfsconfig` names. That URL is checked here and then given to git-lfs, so git-lfs takes no other URL and
 * no transfer program from the repository. Its server is the only host whose credential git-lfs can get.
 *
 * A failure is told by which command failed how, by what is missing, and by the last lines of that command:
 * git-lfs asks git for a lot that need not be there, so the first error of git says nothing.
 *
 * Variables: LFS (1 or empty), URL, ORIGIN.
 */
export const LFS = `
# Pointers that are checked out, with a NUL after each.
pointers() { git grep -lz '^version https://git-lfs.github.com/spec/' -- ':(attr:filter=lfs)' >"$private/pointers"; }
name_pointers() {
  count=$(tr -cd '\\0' <"$private/pointers" | wc -c)
  names=$(tr '\\n\\0' ' \\n' <"$private/pointers" | head -n 3 | cut -c 1-200 | sed '2,$s/^/, /' | tr -d '\\n')
  [ "$count" -le 3 ] || names="$names and $((count - 3)) more"
}
say_pointers() {
  [ -z "$LFS" ] && grep -qs filter=lfs .gitattributes && pointers || return 0
  name_pointers
  printf 'Git LFS: %d of the files are pointers, checked out without their content: %s; spec.lfs (--lfs) fetches it\\n' "$count" "$names"
}
# Where the content of the repository lies whose own URL is $1.
lfs_url() {
  # That there is no such file is no error to tell of.
  wanted=$(GIT_TRACE2_EVENT=0 git config --blob HEAD:.lfsconfig --get lfs.url 2>/dev/null) ||
    wanted=$(GIT_TRACE2_EVENT=0 git config --blob HEAD:.lfsconfig --get remote.origin.lfsurl 2>/dev/null)
  if [ -n "$wanted" ]; then
    authority=\${wanted#https://}
    case $wanted in https://*) ;; *) authority= ;; esac
    case \${authority%%/*} in '' | -* | *[!A-Za-z0-9.:-]*) authority= ;; esac
    case $authority in *[!A-Za-z0-9._~:/+-]*) authority= ;; esac
    if [ -n "$authority" ]; then printf '%s' "$wanted"; return; fi
    printf 'Git LFS: the .lfsconfig names "%s", which is not used: expected an https URL of letters, digits and ._~:/+-\\n' \\
      "$(printf '%s' "$wanted" | tr '\\n\\r' '  ' | cut -c 1-200)" >&2
  fi
  url=$(git ls-remote --get-url "$1")
  url=\${url%/}
  case $url in
    https://*.git) printf '%s/info/lfs' "$url" ;;
    https://*) printf '%s.git/info/lfs' "$url" ;;
    *) printf '%s' "$url" ;;
  esac
}
# git with the filters of Git LFS, and no other credential than that of the host of $lfs.
lfs_git() {
  authority=\${lfs#https://}
  authority=\${authority%%/*}
  helper=$(git config --get-urlmatch credential.helper "$lfs")
  (export GIT_LFS_SKIP_SMUDGE=0; git -c credential.helper= -c "credential.https://$authority.helper=$helper" -c "lfs.url=$lfs" \\
    -c lfs.standalonetransferagent= -c lfs.skipdownloaderrors=false -c filter.lfs.required=true -c 'filter.lfs.clean=git-lfs clean -- %f' \\
    -c 'filter.lfs.smudge=git-lfs smudge -- %f' -c 'filter.lfs.process=git-lfs filter-process' "$@")
}
# Runs lfs_git. Its output and its exit code are kept for lfs_failed.
told_lfs_git() {
  { lfs_git "$@" 2>&1; echo $? >"$private/lfs-exit"; } | tee "$private/lfs-said"
  return "$(cat "$private/lfs-exit")"
}
# Ends the script with the facts of the last told_lfs_git, which was $1. $lfs is where content was asked for.
lfs_failed() {
  fact lfs-failed "$(cat "$private/lfs-exit") $1"
  tr '\r' '\n' <"$private/lfs-said" | grep -v '^[[:space:]]*$' | tail -n 3 | cut -c 1-300 | sed 's/^/lfs-said=/' >&3
  [ "$missing" -gt 0 ] || fail 70 ""
  fact lfs-url "$lfs"
  fail 70 "$lfs"
}
# Tells which of the pointers have no content yet.
tell_missing() {
  left=$((count - $(count_sent)))
  first=$(LC_ALL=C comm -23 "$private/wanted" "$private/sent" | head -n 1)
  first=\${first%% *}
  fact lfs-missing "$left $count $(xargs -0 grep -alF -- "sha256:\${first##*/}" <"$private/pointers" | head -n 1)"
}
# How many of the pointers' objects were sent with the repository, with the pointer's size.
count_sent() {
  xargs -0 grep -ahm 2 -e '^oid sha256:[0-9a-f]\\{64\\}$' -e '^size [0-9]*$' -- <"$private/pointers" |
    sed -n -e '$!N' -e 's|^oid sha256:\\(\\(..\\)\\(..\\).*\\)\\nsize|\\2/\\3/\\1|p' -e t -e D | LC_ALL=C sort >"$private/wanted"
  cut -d ' ' -f 1 "$private/wanted" | (cd "$(git rev-parse --git-path lfs/objects)" && xargs stat -c '%n %s') >"$private/sent" 2>/dev/null
  LC_ALL=C comm -12 "$private/wanted" "$private/sent" | wc -l
}
# Ends the script if there is no git-lfs.
need_lfs() { command -v git-lfs >/dev/null 2>&1 || exit 69; }
number_of_files() { [ "$1" = 1 ] && echo '1 file' || echo "$1 files"; }
# For a repository whose own URL is $1.
fill_here() {
  # 1: nothing matches. Any other failure leaves open what is a pointer.
  pointers || { [ $? = 1 ] && return 0; fail 70; }
  need_lfs
  name_pointers
  sent=$(count_sent)
  [ "$sent" = 0 ] || printf 'Git LFS: the content of %s is taken from this machine\\n' "$(number_of_files "$sent")"
  missing=$((count - sent))
  # git-lfs asks no server for what it has.
  lfs=https://none.invalid
  if [ "$missing" -gt 0 ]; then
    [ -n "$1" ] || { fact lfs-url ""; fail 70; }
    lfs=$(lfs_url "$1")
    case $lfs in https://* | ssh://* | *@*:*) ;; *) fact lfs-url "$lfs"; fail 70 ;; esac
    printf 'Git LFS: fetching the content of %s from %s\\n' "$(number_of_files "$missing")" "$lfs"
  fi
  # Of a sparse checkout only what is checked out, if that can be named in a line.
  set --
  if [ -n "$SPARSE" ]; then
    only=$(tr '\\n\\0' ' \\n' <"$private/pointers" | LC_ALL=C sed 's|[^A-Za-z0-9._/-]\\{1,\\}|*|g; s|^|/|' | tr '\\n' ,)
    only=\${only%,}
    if [ \${#only} -le 100000 ]; then set -- --include "$only"; fi
  fi
  rm -f "$private/http" "$private/ssh-exit"
  # A file that is as the index says is not written again.
  if [ "$missing" -gt 0 ] && ! told_lfs_git lfs fetch "$@"; then
    tell_missing
    lfs_failed 'git lfs fetch'
  fi
  xargs -0 rm -f -- <"$private/pointers" || fail 70 "$lfs"
  told_lfs_git checkout-index --force --index -z --stdin <"$private/pointers" || lfs_failed 'git checkout-index'
  # Without the filters git would take files for changed that are as new as its index.
  sleep 1
  touch "$(git rev-parse --git-dir)/index"
  # 1: nothing matches. Any other failure leaves open what is a pointer.
  pointers || { [ $? = 1 ] && return 0; fail 70; }
  name_pointers
  printf 'Git LFS: %d of the files stay pointers, since the .lfsconfig leaves them out: %s\\n' "$count" "$names"
}
fill_pointers() {
  [ -n "$LFS" ] || return 0
  fill_here "\${URL:-$ORIGIN}"
  [ -n "$SUBMODULES" ] || return 0
  # A path with a line end would be read as two folders, of which the commit could fill the second with a configuration.
  (
    export line_end='
'
    git submodule foreach --quiet --recursive 'case $PWD in *"$line_end"*) echo "Git LFS: the path of a submodule has a line end in it" >&2; exit 1 ;; esac; pwd'
  ) >"$private/modules" || fail 70
  while IFS= read -r folder <&4; do
    # No commit can have a file of this name.
    cd "$folder" && [ -e .git ] || fail 70
    fill_here "$(git config --get remote.origin.url)"
  done 4<"$private/modules"
  cd "$workspace" || fail 61
}
`;
