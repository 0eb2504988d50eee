/**
 * Shell functions for the clone script, around the checkout. `narrow` limits it to the folders of SPARSE, one
 * a line, and the files at the top. `say_what_lacks` logs which of those folders the commit does not have, and
 * which files are pointers of Git LFS.
 */
export const CHECKOUT = `
narrow() {
  [ -n "$SPARSE" ] || return 0
  printf '%s\\n' "$SPARSE" | git sparse-checkout set --cone --stdin || fail 66
}
say_what_lacks() {
  [ -z "$SPARSE" ] || printf '%s\\n' "$SPARSE" | while IFS= read -r folder; do
    [ -d "./$folder" ] || printf 'The commit has no folder "%s", which spec.sparse names\\n' "$folder"
  done
  grep -qs filter=lfs .gitattributes || return 0
  git grep --cached -lz '^version https://git-lfs.github.com/spec/' -- ':(attr:filter=lfs)' >"$private/pointers" || return 0
  count=$(tr -cd '\\0' <"$private/pointers" | wc -c)
  names=$(tr '\\n\\0' ' \\n' <"$private/pointers" | head -n 3 | cut -c 1-200 | sed '2,$s/^/, /' | tr -d '\\n')
  [ "$count" -le 3 ] || names="$names and $((count - 3)) more"
  printf 'Git LFS: %d of the files are pointers, checked out without their content: %s\\n' "$count" "$names"
}
`;
