/**
 * The script that answers questions about files in the container, as the build's user: it can read only what
 * the build could read. $1 is the workspace, $2 the folder in which globs start, $3 the name that find
 * excludes. Each answer is text followed by a NUL. First it prints how it can send files and the real path of
 * the workspace. Then it answers each line of its input:
 *
 * - `what NAME`: `file`, path, size; `folder`, path; `dangling`; `other` or `nothing`. Paths have no links in
 *   them.
 * - `list NAME`: the same, and for a folder in the workspace: its files, an empty text, their sizes (`SIZE
 *   NAME` a line), its links, an empty text, and 0 if find could read all of it.
 * - `send`: tar archives of the files whose paths follow, each with a NUL after it, up to the end of the
 *   input.
 *
 * All processes that the build left running are stopped until the end, so that files do not change between
 * their listing and their sending.
 */
export const SCRIPT = `
for program in find stat readlink; do
  command -v $program >/dev/null || { echo "The image has no $program, which keeping artifacts needs" >&2; exit 2; }
done
kill -STOP -1 2>/dev/null
trap 'kill -CONT -1 2>/dev/null' EXIT
top=$(cd -P "$1" && pwd -P) || exit 1
how=none
flags=
if command -v tar >/dev/null && command -v xargs >/dev/null; then
  how=tar
  tar --hard-dereference --version >/dev/null 2>&1 && flags="--hard-dereference --no-recursion"
fi
printf '%s\\0%s\\0' $how "$top"
cd -P "$2" || exit 1
skipped=$3

look() {
  if [ -d "./$2" ]; then
    (cd -P "./$2" && folder "$1") || printf 'other\\0'
  elif [ -f "./$2" ]; then
    real=$(readlink -f "./$2"; echo x)
    real=\${real%?x}
    printf 'file\\0%s\\0%s\\0' "$real" "$(stat -c %s "$real")"
  elif [ -L "./$2" ]; then printf 'dangling\\0'
  elif [ -e "./$2" ]; then printf 'other\\0'
  else printf 'nothing\\0'
  fi
}

folder() {
  real=$(pwd -P; echo x)
  real=\${real%?x}
  printf 'folder\\0%s\\0' "$real"
  [ "$1" = list ] || return 0
  case $real/ in "$top"/*) ;; *) return 0 ;; esac
  seen=0
  find . -name "$skipped" -prune -o -type f -print0 || seen=1
  printf '\\0'
  find . -name "$skipped" -prune -o -type f -exec stat -c '%s %n' {} + 2>/dev/null
  printf '\\0'
  find . -name "$skipped" -prune -o -type l -print0 || seen=1
  printf '\\0%s\\0' $seen
}

while IFS= read -r line; do
  case $line in
    "what "* | "list "*) look "\${line%% *}" "\${line#* }" ;;
    send)
      if [ $how = none ]; then cat >/dev/null; else xargs -0 tar $flags -C "$top" -cf -; fi ;;
  esac
done
`;
