/**
 * Shell functions for the clone script. A mirror is a folder with packs, and the commits that they are
 * complete for. git copies it into the new repository as a template, so what is in it need not be fetched,
 * and nothing of the new repository points back to it.
 *
 * `open_mirror` sets `seed` to the template, or to nothing. It empties a mirror with anything else in it:
 * hooks, configuration, alternates, links. `update_mirror` adds what was fetched and says on descriptor 3
 * whether that is to be saved: `mirror=changed`, `mirror=used` or `mirror=small`.
 *
 * Variables: MIRROR (a folder, or empty).
 */
export const MIRROR = `
seed=
empty_mirror() { rm -rf -- "$MIRROR"/* "$MIRROR"/.[!.]* "$MIRROR"/..?*; }
odd_in_mirror() {
  find "$MIRROR" -mindepth 1 ! \\( -type d \\( -path "$MIRROR/objects" -o -path "$MIRROR/objects/pack" \\) \\) \\
    ! \\( -type f \\( -path "$MIRROR/packed-refs" -o -path "$MIRROR/shallow" -o -path "$MIRROR/objects/pack/pack-*.pack" \\
    -o -path "$MIRROR/objects/pack/pack-*.idx" \\) \\) || echo "find failed"
  if [ -f "$MIRROR/packed-refs" ]; then grep -vE '^[0-9a-f]{40,64} refs/conveyor/[0-9]+$' "$MIRROR/packed-refs"; fi
  if [ -f "$MIRROR/shallow" ]; then grep -vE '^[0-9a-f]{40,64}$' "$MIRROR/shallow"; fi
}
open_mirror() {
  [ -n "$MIRROR" ] || return 0
  if ! [ -d "$MIRROR" ] || ! [ -w "$MIRROR" ] || ! command -v find >/dev/null; then MIRROR=; return 0; fi
  [ -s "$MIRROR/packed-refs" ] || { empty_mirror; return 0; }
  set -- "$MIRROR"/objects/pack/*.pack
  # A new one is fetched at once; many small packs are slow.
  if [ $# -gt 40 ] || [ -n "$(odd_in_mirror | head -n 1)" ]; then empty_mirror; return 0; fi
  seed=$MIRROR
}
update_mirror() {
  if [ -n "$seed" ]; then
    git for-each-ref --format='delete %(refname)' refs/conveyor | git update-ref --stdin
  fi
  [ -n "$MIRROR" ] || return 0
  if [ -z "$seed" ]; then
    kilobytes=$(du -sk .git/objects/pack | cut -f 1)
    if [ "\${kilobytes:-0}" -lt "$MIRROR_LEAST" ]; then echo "mirror=small" >&3; return 0; fi
  fi
  mkdir -p "$MIRROR/objects/pack" || return 0
  changed=
  for pack in .git/objects/pack/pack-*.pack; do
    name=\${pack##*/}
    [ -f "$pack" ] && ! [ -f "$MIRROR/objects/pack/$name" ] || continue
    # One without any object has a header and a checksum.
    [ "$(wc -c <"$pack")" -gt 44 ] || continue
    cp "\${pack%.pack}.idx" "$pack" "$MIRROR/objects/pack/" || { empty_mirror; return 0; }
    changed=1
  done
  if [ -z "$changed" ]; then echo "mirror=used" >&3; return 0; fi
  {
    git rev-parse HEAD
    cut -d ' ' -f 1 "$MIRROR/packed-refs" 2>/dev/null | head -n 19
  } | {
    n=0
    while read -r id; do n=$((n + 1)); echo "$id refs/conveyor/$n"; done
  } >"$private/refs" &&
    cp "$private/refs" "$MIRROR/packed-refs" &&
    { ! [ -f .git/shallow ] || cp .git/shallow "$MIRROR/shallow"; } || { empty_mirror; return 0; }
  echo "mirror=changed" >&3
}
`;
