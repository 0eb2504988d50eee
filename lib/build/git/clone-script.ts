import { KNOWN_AUTHORITIES } from "../authorities/bundle-script.ts";
import { PRIVATE_FOLDER } from "./private-files.ts";
import { OWN_FILES } from "../own-file.ts";
import { CHECKOUT } from "./checkout-script.ts";
import { LFS } from "./lfs-script.ts";
import { MIRROR } from "./mirror-script.ts";
import { RECEIVE } from "./receive-script.ts";
import { VERIFY } from "./verify-script.ts";

/**
 * The shell script that clones in a container, as the build's user, in the workspace. All input comes in
 * variables and files, so text of a repository or ref is never parsed as shell. git's output goes to stderr
 * and into the log. stdout is for us: `commit=` and `ref=` at the end, or facts about a failure (see
 * clone-facts.ts). Exits with 0 or one of CLONE_EXIT.
 *
 * Standard input: the private files, then the repository itself if LOCAL is 1.
 *
 * Variables: READY (a folder to wait for), LOCAL (1 or empty), URL, REF (may be empty), DEPTH (0: all),
 * SUBMODULES (1 or empty), SPARSE (folders, one a line; may be empty), ORIGIN (where a local repository came
 * from; may be empty), LFS (1 or empty), SIGNERS (see verify-script.ts), and those of mirror-script.ts.
 */
export const CLONE_SCRIPT = `
exec 3>&1 1>&2
umask 077
while ! [ -d "$READY" ]; do sleep 0.05; done
private=${PRIVATE_FOLDER}
rm -rf "$private" && mkdir "$private" || exit 61
trap 'rm -rf "$private"' EXIT
trap 'exit 143' TERM INT HUP
while IFS= read -r line; do
  case $line in
    ' '*) printf '%s\\n' "\${line# }" >>"$file" || exit 61 ;;
    .) break ;;
    *) file=$private/$line ;;
  esac
done
umask 022
${KNOWN_AUTHORITIES}
if [ -f "$private/authorities" ]; then
  known_authorities | cat - "$private/authorities" >"$private/ca-bundle" || exit 61
fi
command -v git >/dev/null 2>&1 || exit 60

export HOME="$private" XDG_CONFIG_HOME="$private" GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0 GIT_NO_REPLACE_OBJECTS=1 GIT_LFS_SKIP_SMUDGE=1
export GIT_SSH_COMMAND="sh $private/ssh" GIT_SSH_VARIANT=ssh
# What git says of its failures, for us alone: its own errors apart from their arguments, and how a server answered.
export GIT_TRACE2_EVENT="$private/events" GIT_TRACE_CURL="$private/http" GIT_TRACE_CURL_NO_DATA=1 GIT_TRACE_REDACT=1

git() { command git -c transfer.unpackLimit=1 "$@" 3>&-; }

# A fact whose value a repository chose: one line, whatever is in it.
fact() { printf '%s=%s\\n' "$1" "$(printf '%s' "$2" | tr '\\n\\r' '  ' | cut -c 1-2000)" >&3; }

fail() {
  {
    df -Pk . | sed 's/^/blocks=/'
    df -Pi . | sed 's/^/inodes=/'
    grep -h '"event":"error"' "$private/events" | head -n 20 | cut -c 1-4000 | sed 's/^/error=/'
    grep -E '^[^ ]+ [^ ]+ +(<= Recv header: HTTP/|=> Send header: (GET|POST) )' "$private/http" |
      tail -n 2 | cut -c 1-2000 | sed 's/^/http=/'
    sed 's/^/ssh=/' "$private/ssh-exit"
  } 2>/dev/null >&3
  case \${2-$URL} in
    https:*) folder=$(git --exec-path) && [ -d "$folder" ] && ! [ -x "$folder/git-remote-https" ] && echo no-https=1 >&3 ;;
  esac
  if [ -f "$private/ssh-exit" ]; then host_key "\${2-$URL}"; fi
  exit "$1"
}

# Whose key the host of an ssh URL shows, and whether we know it.
host_key() {
  case $1 in
    ssh://*) host=\${1#ssh://}; host=\${host%%/*}; host=\${host##*@} ;;
    *:*) host=\${1%%:*}; host=\${host##*@} ;;
    *) return ;;
  esac
  port=22
  case $host in
    \\[*\\]:*) port=\${host##*:}; host=\${host%:*} ;;
    \\[*\\]) ;;
    *:*) port=\${host##*:}; host=\${host%:*} ;;
  esac
  host=\${host#\\[}
  host=\${host%\\]}
  case $host$port in -* | *[!A-Za-z0-9.:-]*) return ;; esac
  name=$host
  [ "$port" = 22 ] || name="[$host]:$port"
  {
    printf 'host=%s %s\\n' "$host" "$port"
    ssh-keygen -F "$name" -f "$private/known_hosts" | grep -v '^#' | head -n 20 | sed 's/^/host-known=/'
    ssh-keyscan -T 10 -p "$port" "$host" | grep -v '^#' | head -n 10 | cut -c 1-2000 | sed 's/^/host-offers=/'
  } 2>/dev/null >&3
}

# The facts of a failure are those of the last attempt.
fresh() { rm -rf ./.git "$private/events" "$private/http" "$private/ssh-exit"; }

workspace=$PWD
# A first attempt may have left something: the workspace is emptied.
rm -rf -- ./* ./.[!.]* ./..?* || fail 61
case $URL in '' | https:*) is_ssh= ;; *) is_ssh=1 ;; esac
# A host with a token is reached by https, whatever its URL says.
if [ -n "$is_ssh" ] && ! command -v ssh >/dev/null 2>&1; then
  case $(git ls-remote --get-url "$URL") in https:*) ;; *) exit 62 ;; esac
fi

shallow=
[ "$DEPTH" = 0 ] || shallow="--depth=$DEPTH"
hexadecimal() { case "$REF" in *[!0-9a-fA-F]*) false ;; ????*) true ;; *) false ;; esac; }
commit_of() { commit=$(git rev-parse --verify --quiet "$1^{commit}"); }

clone() { # a branch or a tag, or the remote's HEAD without one
  fresh
  git clone --progress --no-checkout --no-recurse-submodules --template="$seed" $shallow "$@" -- "$URL" .
}
all_of_it() {
  fresh
  # The mirror of a shallow clone has not all of it.
  [ "$DEPTH" = 0 ] || { seed= MIRROR=; }
  git clone --progress --no-checkout --no-recurse-submodules --template="$seed" -- "$URL" . || fail 64
}
fetch() { git fetch --progress --no-recurse-submodules "$@" && commit_of FETCH_HEAD; }
# A full name, or a full commit, of a repository whose commits have as many digits as $2.
fetch_one() {
  if [ "$DEPTH" = 0 ]; then
    all_of_it
    commit_of "$1" || fetch origin "$1"
  else
    fresh
    format=
    [ \${#2} -le 40 ] || format=--object-format=sha256
    git init --quiet --template="$seed" $format . && git remote add -- origin "$URL" && fetch $shallow origin "$1"
  fi
}
${RECEIVE}${MIRROR}${CHECKOUT}${LFS}${VERIFY}
# The full name that the remote has for REF, by git's own rules, and a commit of that repository. False where it has none.
look_up() {
  fresh
  names=$(git ls-remote --quiet -- "$URL" "$REF") || fail 64
  tab=$(printf '\\t')
  for name in "$REF" "refs/$REF" "refs/tags/$REF" "refs/heads/$REF" "refs/remotes/$REF"; do
    while IFS="$tab" read -r any full; do
      if [ "$full" = "$name" ]; then return 0; fi
    done <<END
$names
END
  done
  false
}
# A branch or a tag by its own name. git prefers a branch, whatever REF says.
clone_named() {
  short=\${REF#refs/heads/}
  short=\${short#refs/tags/}
  case $short in refs/*) return 1 ;; esac
  clone --branch="$short" || return
  git rev-parse --verify --quiet "refs/heads/$short" >/dev/null && ref=refs/heads/$short || ref=refs/tags/$short
  case $REF in refs/*) [ "$REF" = "$ref" ] ;; esac
}

# Everything from the clone to the last submodule.
work() {
  ref=
  commit=
  # No ref has a ":" in it.
  case "\${LOCAL:+local:}$REF" in
    local:*) receive || fail 64; ref=$REF ;;
    '' | HEAD | @) clone || fail 64 ;;
    *)
      if hexadecimal && [ \${#REF} -ge 40 ]; then
        # Not every server gives out a commit by its name; else it is looked for in everything.
        fetch_one "$REF" "$REF" || { [ "$DEPTH" = 0 ] || all_of_it; commit_of "$REF" || fail 65; }
      elif clone_named; then :
      elif look_up; then
        ref=$full
        fetch_one "$full" "$any" || fail 64
      elif hexadecimal; then
        ref=
        all_of_it
        commit_of "$REF" || fail 65
      else
        fail 65
      fi ;;
  esac

  if [ -n "$commit" ]; then
    check_signature "$commit"
    narrow
    git -c advice.detachedHead=false checkout --progress --detach "$commit" -- || fail 66
  else
    # The commit, and the branch that it is the head of, in one go: starting git costs more than what it does here.
    set -- $(git rev-parse HEAD --symbolic-full-name HEAD 2>/dev/null)
    [ $# = 2 ] || fail 67
    commit=$1
    [ -n "$ref" ] || ref=$2
    check_signature "$commit"
    narrow
    git -c advice.detachedHead=false checkout --progress --force HEAD -- || fail 66
  fi
  update_mirror
  say_what_lacks
  say_modules
  say_pointers
  # Relative URLs of submodules count from where the repository itself came from.
  [ -z "$ORIGIN" ] || git remote add -- origin "$ORIGIN"

  # Names the first submodule below the current folder that is not as it should be.
  unfinished() {
    git config --file .gitmodules --name-only --get-regexp '^submodule\\..*\\.path$' | while IFS= read -r key; do
      path=$(git config --file .gitmodules --get "$key")
      wanted=$(git rev-parse --verify --quiet ":$path") || continue
      case /$path/ in */../*) continue ;; esac
      if [ -e "$path/.git" ] && [ "$(git -C "$path" rev-parse HEAD 2>/dev/null)" = "$wanted" ]; then
        (cd "$path" && unfinished) || exit 1
      else
        key=\${key%.path}.url
        url=$(git config --get "$key") || url=$(git config --file .gitmodules --get "$key")
        printf '%s\\n' "$url" >"$private/url"
        fact submodule "$path"
        fact submodule-url "$url"
        fact submodule-says "$(git config --file .gitmodules --get "$key")"
        exit 1
      fi
    done
  }
  if [ -n "$SUBMODULES" ]; then
    rm -f "$private/events" "$private/http" "$private/ssh-exit"
    if ! git -c protocol.file.allow=never submodule update --init --recursive --progress $shallow; then
      unfinished
      url=$(git ls-remote --get-url "$(cat "$private/url")")
      case $url in
        https:*) ;;
        ssh:* | *@*:*) command -v ssh >/dev/null 2>&1 || exit 62 ;;
      esac
      fail 68 "$url"
    fi
  fi
  fill_pointers
  for own_file in ${OWN_FILES.join(" ")}; do
    if [ -f $own_file ]; then fact own-file $own_file; break; fi
  done
  printf 'commit=%s\\nref=%s\\n' "$commit" "$ref" >&3
}

open_mirror
if [ -n "$seed" ]; then
  (work) 3>"$private/said"
  code=$?
  case $code in
    64 | 66 | 67) echo "The git mirror is dropped: the clone failed with it, and is done without it"; empty_mirror; seed= ;;
    *) cat "$private/said" >&3; exit $code ;;
  esac
fi
work
`;

/** The script's exit codes. */
export const CLONE_EXIT = {
  noGit: 60,
  workspace: 61,
  noSsh: 62,
  clone: 64,
  ref: 65,
  checkout: 66,
  empty: 67,
  submodules: 68,
  noLfs: 69,
  lfs: 70,
  unsigned: 71,
  noTool: 72,
  unverified: 73,
} as const;
