/**
 * Shell functions for the clone script, around the checkout. `narrow` limits it to the folders of SPARSE, one
 * a line, and the files at the top. `say_what_lacks` logs which of those folders the commit does not have.
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
}
`;
