/**
 * Shell functions for the clone script, around the checkout. `narrow` limits it to the folders of SPARSE, one
 * a line, and the files at the top. `say_what_lacks` logs which of those folders the commit does not have.
 * `say_modules` logs which submodules stay empty without SUBMODULES.
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
say_modules() {
  [ -z "$SUBMODULES" ] && [ -f .gitmodules ] || return 0
  modules=$(git ls-files --stage | grep '^160000 ' | cut -f 2)
  [ -n "$modules" ] || return 0
  count=$(printf '%s\\n' "$modules" | wc -l)
  names=$(printf '%s\\n' "$modules" | head -n 3 | cut -c 1-200 | sed '2,$s/^/, /' | tr -d '\\n')
  printf 'Submodules (%d) are not checked out: %s; spec.submodules (--submodules) checks them out\\n' "$count" "$names"
}
`;
