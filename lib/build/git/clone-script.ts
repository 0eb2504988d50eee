import { RECEIVE } from "./receive-script.ts";

/**
 * What runs in the container, as the build's user, in the workspace. Its stdout is for us (`key=value` lines), git's own
 * output goes to stderr and into the log. Everything that varies comes in variables, so that nothing of a repository's
 * or a ref's text is ever read as shell. Ends with one of CLONE_EXIT, or 0.
 *
 * LOCAL (1 where the repository comes on stdin, else empty), URL, REF (may be empty), DEPTH (0: all), SUBMODULES (1 or empty),
 * CONVEYOR_GIT_CONFIG, CONVEYOR_GIT_TOKEN, CONVEYOR_SSH_KEY.
 */
export const CLONE_SCRIPT = `
exec 3>&1 1>&2
command -v git >/dev/null 2>&1 || exit 60
umask 022
# A first attempt may have left something: the workspace is emptied.
rm -rf -- ./* ./.[!.]* ./..?* || exit 61

home=$(mktemp -d) || exit 61
trap 'rm -rf "$home"' EXIT
export HOME="$home" XDG_CONFIG_HOME="$home" GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0 GIT_LFS_SKIP_SMUDGE=1 LC_ALL=C
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_ASKPASS SSH_ASKPASS
printf '%s' "$CONVEYOR_GIT_CONFIG" >"$home/.gitconfig" || exit 61
if [ -n "$CONVEYOR_SSH_KEY" ]; then
  (umask 077; printf '%s\\n' "$CONVEYOR_SSH_KEY" >"$home/key")
  export GIT_SSH_COMMAND="ssh -F /dev/null -i $home/key -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=accept-new -o UserKnownHostsFile=$home/known_hosts"
  command -v ssh >/dev/null 2>&1 || exit 62
elif [ "\${URL#ssh:}" != "$URL" ]; then
  export GIT_SSH_COMMAND="ssh -F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=accept-new"
fi
unset CONVEYOR_SSH_KEY

shallow=
[ "$DEPTH" = 0 ] || shallow="--depth=$DEPTH"

clone() { # a branch or a tag, or the remote's HEAD without one
  git clone --progress --no-checkout --no-recurse-submodules --template= $shallow "$@" -- "$URL" .
}
all_of_it() {
  rm -rf ./.git
  git clone --progress --no-checkout --no-recurse-submodules --template= -- "$URL" . || exit 64
  git fetch --quiet origin '+refs/tags/*:refs/tags/*' || exit 64
}
fetch_one() { # a full name or a full commit
  rm -rf ./.git
  git init --quiet --template= . && git remote add -- origin "$URL" &&
    git fetch --progress --no-recurse-submodules $shallow origin "$1" && commit=$(git rev-parse --verify --quiet "FETCH_HEAD^{commit}")
}
${RECEIVE}
hexadecimal() { case "$REF" in *[!0-9a-fA-F]*) false ;; ????*) true ;; *) false ;; esac; }

ref=
commit=
# No ref has a ":" in it.
case "\${LOCAL:+local:}$REF" in
  local:*) receive || exit 64; ref=$REF ;;
  '') clone || exit 64 ;;
  refs/*) fetch_one "$REF" || exit 65; ref=$REF ;;
  *)
    if hexadecimal && [ \${#REF} -ge 40 ]; then
      # Servers give out a commit by its name only if they were told to; else it is looked for in everything.
      fetch_one "$REF" || { all_of_it; commit=$(git rev-parse --verify --quiet "$REF^{commit}") || exit 65; }
    elif clone --branch="$REF"; then
      git rev-parse --verify --quiet "refs/heads/$REF" >/dev/null && ref=refs/heads/$REF || ref=refs/tags/$REF
    elif hexadecimal; then
      all_of_it
      commit=$(git rev-parse --verify --quiet "$REF^{commit}") || exit 65
    else
      # The repository answers: then it is the name that it does not have.
      git ls-remote --quiet -- "$URL" >/dev/null 2>&1 && exit 65
      exit 64
    fi ;;
esac

if [ -n "$commit" ]; then
  git -c advice.detachedHead=false checkout --progress --detach "$commit" -- || exit 66
else
  # The commit, and the branch that it is the head of, in one go: starting git costs more than what it does here.
  set -- $(git rev-parse HEAD --symbolic-full-name HEAD 2>/dev/null)
  [ $# = 2 ] || exit 67
  commit=$1
  [ -n "$ref" ] || ref=$2
  git -c advice.detachedHead=false checkout --progress --force HEAD -- || exit 66
fi
if [ -n "$SUBMODULES" ]; then
  git -c protocol.file.allow=never submodule update --init --recursive --progress $shallow || exit 68
fi
printf 'commit=%s\\nref=%s\\n' "$commit" "$ref" >&3
`;

/** What the script's exit codes mean. */
export const CLONE_EXIT = {
  noGit: 60,
  workspace: 61,
  noSsh: 62,
  clone: 64,
  ref: 65,
  checkout: 66,
  empty: 67,
  submodules: 68,
} as const;

/**
 * git's whole configuration while it clones: no hooks, no helpers, no protocol but the one that is wanted. A token is offered
 * to `tokenHost` only (with its port, if it has one of its own); the helper reads it from the environment.
 */
export function cloneConfig(protocol: "https" | "ssh" | "file", tokenHost: string | undefined): string {
  const lines = [
    "[core]",
    "\thooksPath = /dev/null",
    "\tfsmonitor = false",
    "\tsymlinks = true",
    "\tprotectNTFS = true",
    "\tprotectHFS = true",
    "[protocol]",
    "\tallow = never",
    `[protocol "${protocol}"]`,
    "\tallow = always",
    // Submodules of a repository that came by ssh or https may come by https.
    ...(protocol === "https" ? [] : ['[protocol "https"]', "\tallow = always"]),
    "[safe]",
    "\tdirectory = *",
    "[http]",
    "\tfollowRedirects = initial",
  ];
  if (tokenHost !== undefined) {
    lines.push(
      `[credential "https://${tokenHost}"]`,
      '\thelper = "!f() { test \\"$1\\" = get && echo username=x-access-token && echo \\"password=$CONVEYOR_GIT_TOKEN\\"; }; f"',
    );
  }
  return lines.join("\n") + "\n";
}
