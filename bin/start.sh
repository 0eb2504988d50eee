# Sourced by the programs in this folder, which have found out in $self where they really are: starts drivers/<name>.ts
# from source, on Bun, else on Deno. CONVEYOR_RUNTIME=bun or deno insists on one.
#
# These programs are typed inside folders that are not trusted, and both runtimes read settings, some of which run code,
# from the folder they are started in. So they are started in ours, are told to read none, and the program goes back to
# where it was called before it does anything.

name=${self##*/}
[ -n "$PWD" ] || {
  printf 'error: Cannot start %s: the current folder does not exist any more\n' "$name" >&2
  exit 3
}
CONVEYOR_STARTED_IN=$PWD
export CONVEYOR_STARTED_IN
cd -P -- "${self%/*}/.." || exit 3

# The one command that gets a clone ready, where this is one.
ready=
[ ! -x scripts/demo ] || ready="; run $PWD/scripts/demo once, which gets what is missing and shows a build"

# The runtime of the checkout's own tools, else the first on PATH. Folders that are not absolute are left out: what lies
# in the folder we were called from is not ours to run.
find_runtime() {
  set -f
  IFS=:
  for folder in "$PWD/.tools/bin" $PATH; do
    case $folder in
      /*) [ -f "$folder/$1" ] && [ -x "$folder/$1" ] && runtime=$folder/$1 && break ;;
    esac
  done
  unset IFS
  set +f
  [ -n "$runtime" ]
}

runtime=
wanted=${CONVEYOR_RUNTIME:-bun}
case $wanted in
  bun | deno) ;;
  *)
    printf 'error: Invalid CONVEYOR_RUNTIME "%s": expected bun or deno\n' "$wanted" >&2
    exit 2
    ;;
esac
packages=
if [ -f package.json ] && [ ! -d node_modules/commander ]; then
  packages=missing
elif [ bun.lock -nt node_modules ] && [ -f node_modules/.lock-stamp ] &&
  [ "$(command -p cksum <bun.lock)" != "$(command -p cat node_modules/.lock-stamp)" ]; then
  packages='of an older version'
fi
if [ -n "$packages" ]; then
  printf 'error: Cannot start %s: the packages of %s are %s%s\n' "$name" "$PWD/bun.lock" "$packages" "$ready" >&2
  exit 3
fi
if [ "$wanted" = bun ] && find_runtime bun; then
  exec "$runtime" --config=/dev/null --no-env-file --no-install "$PWD/drivers/$name.ts" "$@"
fi
if [ "${CONVEYOR_RUNTIME:-deno}" = deno ] && find_runtime deno; then
  exec "$runtime" run -A --no-check --config "$PWD/deno.json" --no-lock --cached-only --node-modules-dir=manual \
    "$PWD/drivers/$name.ts" "$@"
fi
printf 'error: Cannot start %s: expected %s on PATH; get Bun from bun.com or Deno from deno.com%s\n' \
  "$name" "${CONVEYOR_RUNTIME:-Bun 1.4 or Deno 2.9, or newer,}" "$ready" >&2
exit 3
