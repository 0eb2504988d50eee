#!/bin/sh
# Installs flutter-ci and the four drivers from a release: a folder, or the URL of one.
# Needs sh, tar, gzip, sha256sum (or shasum, openssl), curl or wget for a URL, and ssh-keygen where a key is given.
set -eu
umask 022

PROGRAM=flutter-ci
LINKS='container-start git-cloner builder container-stop'
NAMESPACE=flutter-ci-release

usage() {
  cat <<'TEXT'
Installs flutter-ci and the four drivers.
Usage:  install.sh --from PLACE [flags]
        install.sh --uninstall [--prefix DIR]

Flags:
  --from PLACE      folder or URL (http, https) of a release: where its SHA256SUMS is
  --prefix DIR      where to install: DIR/bin, DIR/share, DIR/lib (default: /usr/local)
  --key FILE        public SSH key that must have signed the release
  --version V       this version, where the place has several
  --target NAME     for another system than this one, like linux-x64-musl
  --downgrade       also in the place of a newer version
  --no-check        do not start the installed program to see that it works here
  --uninstall       remove what was installed
  -h, --help        show this help

A proxy is taken from https_proxy and http_proxy. A download that was cut off goes on where it stopped.
Exit codes: 0 done, 1 refused (checksum, signature, newer version), 2 wrong usage, 3 cannot work here.
TEXT
}

say() { printf '%s\n' "$*" >&2; }
fail() { code=$1; shift; printf 'error: %s\n' "$*" >&2; exit "$code"; }
have() { command -v "$1" >/dev/null 2>&1; }
value_of() { [ $# -ge 2 ] && [ -n "$2" ] || fail 2 "$1 needs a value; see install.sh --help"; }

from='' prefix=/usr/local key='' version='' target='' uninstall='' downgrade='' check=yes
while [ $# -gt 0 ]; do
  case $1 in
    --from | --prefix | --key | --version | --target)
      value_of "$@"
      case $1 in
        --from) from=$2 ;;
        --prefix) prefix=$2 ;;
        --key) key=$2 ;;
        --version) version=$2 ;;
        --target) target=$2 ;;
      esac
      shift
      ;;
    --uninstall) uninstall=yes ;;
    --downgrade) downgrade=yes ;;
    --no-check) check='' ;;
    -h | --help) usage; exit 0 ;;
    *) fail 2 "Unknown word \"$1\"; see install.sh --help" ;;
  esac
  shift
done
case $prefix in /*) ;; *) prefix=$PWD/$prefix ;; esac
# What was installed, a path below the prefix a line: what --uninstall removes.
list=share/doc/$PROGRAM/installed-files

# What is made here is removed however this script ends. A download that was cut off is kept, to go on with.
work='' staged=''
clean() {
  [ -z "$staged" ] || rm -rf "$staged"
  [ -z "$work" ] || rm -rf "$work"
}
trap clean EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

remove_files() { # LIST: removes the files that it names, and the folders that are empty then
  while IFS= read -r file; do
    case $file in '' | /* | *..*) continue ;; esac
    rm -f "$prefix/$file" || fail 3 "Cannot remove $prefix/$file"
    folder=${file%/*}
    while [ "$folder" != "$file" ] && rmdir "$prefix/$folder" 2>/dev/null; do
      case $folder in */*) folder=${folder%/*} ;; *) break ;; esac
    done
  done <"$1"
}

if [ -n "$uninstall" ]; then
  [ -f "$prefix/$list" ] || fail 3 "$PROGRAM is not installed in \"$prefix\": there is no $list"
  work=$(mktemp -d)
  cp "$prefix/$list" "$work/list"
  remove_files "$work/list"
  say "Removed $PROGRAM from $prefix"
  exit 0
fi

[ -n "$from" ] || fail 2 "Nothing to install from: name a folder or a URL with --from"

musl_or_glibc() {
  for loader in /lib/ld-musl-*; do
    [ -e "$loader" ] && ! [ -e /lib64/ld-linux-x86-64.so.2 ] && ! [ -e /lib/ld-linux-aarch64.so.1 ] && printf '%s' -musl && return
  done
  for loader in /lib64/ld-linux-x86-64.so.2 /lib/ld-linux-aarch64.so.1; do
    [ -e "$loader" ] && return
  done
  return 1
}

this_target() {
  system=$(uname -s) machine=$(uname -m)
  case $machine in
    x86_64 | amd64) machine=x64 ;;
    aarch64 | arm64) machine=arm64 ;;
    *) fail 3 "There are no programs for the processor \"$machine\": expected x86_64 or aarch64" ;;
  esac
  case $system in
    Linux)
      libc=$(musl_or_glibc) ||
        fail 3 "Cannot tell the C library of this system: neither glibc's loader (/lib64/ld-linux-x86-64.so.2) nor musl's is here. Name a target with --target linux-$machine or --target linux-$machine-musl"
      printf 'linux-%s%s' "$machine" "$libc"
      ;;
    Darwin) printf 'darwin-%s' "$machine" ;;
    *) fail 3 "There are no programs for the system \"$system\": expected Linux or Darwin" ;;
  esac
}

[ -n "$target" ] || target=$(this_target)
case $target in
  linux-x64 | linux-arm64 | linux-x64-musl | linux-arm64-musl | darwin-x64 | darwin-arm64) ;;
  *) fail 2 "Unknown target \"$target\": expected linux-x64, linux-arm64, linux-x64-musl, linux-arm64-musl, darwin-x64 or darwin-arm64" ;;
esac

# fetch NAME FILE [goes-on]: gets a file of the release; with a third word, FILE may hold the beginning of it already.
fetch() {
  case $from in
    http://* | https://*)
      url=${from%/}/$1
      if have curl; then
        # 22: the server says that there is no such file. 33, 36: it cannot go on in the middle.
        status=0
        curl -fsSL --retry 2 ${3:+-C -} -o "$2" "$url" || status=$?
        case $status in
          0) return ;;
          33 | 36) rm -f "$2"; curl -fsSL --retry 2 -o "$2" "$url" && return ;;
        esac
      elif have wget; then
        if [ -n "${3-}" ] && wget --help 2>&1 | grep -q -- '-c'; then
          wget -q -c -O "$2" "$url" && return
        else
          wget -q -O "$2" "$url" && return
        fi
      else
        fail 3 "Cannot download $url: neither curl nor wget is here. Install one, or download the release's files to a folder and name that with --from"
      fi
      return 1
      ;;
    *://*) fail 2 "Cannot install from \"$from\": expected a folder, or a URL of http or https" ;;
    *)
      [ -d "$from" ] || fail 3 "There is no folder \"$from\""
      [ -f "$from/$1" ] && cp "$from/$1" "$2"
      ;;
  esac
}

sha256() {
  if have sha256sum; then sha256sum "$1"
  elif have shasum; then shasum -a 256 "$1"
  elif have openssl; then openssl dgst -sha256 -r "$1"
  else fail 3 "Cannot check the download: none of sha256sum, shasum and openssl is here"
  fi | cut -d ' ' -f 1
}

work=$(mktemp -d) || fail 3 "Cannot make a temporary folder in \"${TMPDIR:-/tmp}\""
fetch SHA256SUMS "$work/SHA256SUMS" || fail 3 "Cannot get SHA256SUMS from \"$from\": is a release there?"

if [ -n "$key" ]; then
  [ -r "$key" ] || fail 2 "Cannot read the key \"$key\" of --key"
  have ssh-keygen || fail 3 "Cannot check the signature: ssh-keygen is not here. Install openssh-client"
  fetch SHA256SUMS.sig "$work/SHA256SUMS.sig" || fail 1 "The release in \"$from\" is not signed: there is no SHA256SUMS.sig"
  printf 'release %s\n' "$(cat "$key")" >"$work/signers"
  ssh-keygen -Y verify -f "$work/signers" -I release -n $NAMESPACE -s "$work/SHA256SUMS.sig" <"$work/SHA256SUMS" >/dev/null 2>&1 ||
    fail 1 "The signature of SHA256SUMS is not by the key \"$key\". Nothing is installed"
fi

# The archive's name and checksum, of the newest version where there are several.
names=$(sed -n "s/^[0-9a-f]\{64\}  \($PROGRAM-[0-9][^/ ]*-$target\.tar\.gz\)\$/\1/p" "$work/SHA256SUMS")
if [ -n "$version" ]; then archive=$PROGRAM-$version-$target.tar.gz
else archive=$(printf '%s\n' "$names" | sort -t . -k 1,1 -k 2,2n -k 3,3n | tail -n 1)
fi
printf '%s\n' "$names" | grep -qxF -- "$archive" && [ -n "$archive" ] ||
  fail 3 "The release in \"$from\" has no $PROGRAM${version:+ $version} for $target. It has: $(sed -n "s/^[0-9a-f]\{64\}  \($PROGRAM-.*\)\.tar\.gz\$/\1/p" "$work/SHA256SUMS" | tr '\n' ' ')"
# The smaller archive, where there is one and something to unpack it: the xz of busybox knows no filters.
unpack=gzip
if grep -q "  ${archive%.gz}\.xz\$" "$work/SHA256SUMS" && xz --version 2>/dev/null | grep -q 'XZ Utils'; then
  unpack=xz archive=${archive%.gz}.xz
fi
wanted=$(grep -F "  $archive" "$work/SHA256SUMS" | head -n 1 | cut -d ' ' -f 1)
version=${archive#"$PROGRAM"-}
version=${version%-"$target".tar.?z}

is_newer() { # A B: whether version A is newer than B
  [ "$1" != "$2" ] && [ "$(printf '%s\n%s\n' "$1" "$2" | sort -t . -k 1,1n -k 2,2n -k 3,3n | tail -n 1)" = "$1" ]
}
installed=''
if [ -x "$prefix/bin/$PROGRAM" ]; then
  installed=$("$prefix/bin/$PROGRAM" --version 2>/dev/null | head -n 1 | cut -d ' ' -f 1) || installed=''
fi
if [ -n "$installed" ] && [ -z "$downgrade" ] && is_newer "$installed" "$version"; then
  fail 1 "\"$prefix\" has $PROGRAM $installed, which is newer than $version. To go back to it, add --downgrade"
fi

mkdir -p "$prefix" 2>/dev/null && [ -w "$prefix" ] ||
  fail 3 "Cannot write to \"$prefix\". Start this as root (sudo), or choose another folder with --prefix"

# Downloads go to a place that the next try finds again.
cache=${XDG_CACHE_HOME:-${HOME:-$work}/.cache}/$PROGRAM
mkdir -p "$cache" 2>/dev/null || cache=$work
part=$cache/$archive.$wanted.part
say "Getting $archive"
fetch "$archive" "$part" goes-on || fail 3 "Cannot get $archive from \"$from\". What came of it is kept; start again to go on"
found=$(sha256 "$part")
if [ "$found" != "$wanted" ]; then
  rm -f "$part"
  fail 1 "The checksum of $archive is $found: expected $wanted. It is damaged or was changed; nothing is installed"
fi

# All of it beside its place first, so that each file then comes in one move.
staged=$(mktemp -d "$prefix/.$PROGRAM.XXXXXX") || fail 3 "Cannot write to \"$prefix\""
$unpack -dc "$part" | (cd "$staged" && tar -xf -) ||
  fail 3 "Cannot unpack $archive to \"$prefix\": is its disk full? Nothing is installed"
tree=$staged/$PROGRAM-$version-$target
[ -x "$tree/bin/$PROGRAM" ] || fail 1 "$archive holds no bin/$PROGRAM. Nothing is installed"

if [ -n "$check" ]; then
  said=$("$tree/bin/$PROGRAM" --version 2>&1) || {
    say "$said"
    case $target in
      *-musl) hint='It needs musl 1.2.5 or newer and libstdc++ (on Alpine: apk add libstdc++)' ;;
      linux-*) hint='It needs glibc 2.17 or newer; on a system with musl use --target '"$target"'-musl' ;;
      *) hint='Is this the right target?' ;;
    esac
    fail 3 "$PROGRAM $version does not start on this system. $hint. Nothing is installed"
  }
fi

# The units start the programs of this prefix. systemd looks for units below /usr/local and /usr; systemctl link takes others.
case $prefix in
  *[!A-Za-z0-9/._-]*) [ ! -d "$tree/lib/systemd" ] || { say "No systemd units are installed: they cannot name programs in \"$prefix\""; rm -r "${tree:?}/lib"; } ;;
  *)
    for unit in "$tree"/lib/systemd/system/*.service; do
      [ ! -e "$unit" ] || { sed "s#/usr/local/#$prefix/#g" "$unit" >"$work/unit" && cp "$work/unit" "$unit"; }
    done
    ;;
esac

mkdir -p "$tree/${list%/*}"
(cd "$tree" && find . ! -type d | sed 's#^\./##' | sort) >"$work/files"
printf '%s\n' "$list" >>"$work/files"
cp "$work/files" "$tree/$list"
if [ -f "$prefix/$list" ]; then grep -vxF -f "$work/files" "$prefix/$list" >"$work/gone" || :; else : >"$work/gone"; fi

# From here on a signal waits: each move is quick, and the list goes first, so that --uninstall finds all of it.
trap '' HUP INT TERM
move() {
  case $1 in */*) mkdir -p "$prefix/${1%/*}" ;; esac
  mv -f "$tree/$1" "$prefix/$1"
}
{
  move "$list"
  while IFS= read -r file; do
    [ "$file" = "$list" ] || move "$file"
  done <"$work/files"
} || fail 3 "Cannot write to \"$prefix\". Start again to complete the installation"
remove_files "$work/gone"
rm -f "$part"

say "Installed $PROGRAM $version ($target) in $prefix${installed:+, in the place of $installed}"
case :$PATH: in *:"$prefix/bin":*) ;; *) say "Add it to PATH: export PATH=\"$prefix/bin:\$PATH\"" ;; esac
for link in $LINKS; do [ -e "$prefix/bin/$link" ] || say "warning: $prefix/bin/$link is missing"; done
