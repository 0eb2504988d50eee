#!/bin/sh
# Installs flutter-ci and the four drivers from a release: a folder, or the URL of one.
# Needs sh, awk, tar, gzip, sha256sum (or shasum, openssl), curl or wget for a URL, and ssh-keygen where a key is given.
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
# The folders that the installation has made, as paths below the prefix: --uninstall removes no others.
folders=share/doc/$PROGRAM/made-folders

# What is made here is removed however this script ends. A download is kept until it is installed, to go on with.
work='' staged='' whole=''
clean() {
  [ -z "$whole" ] || mv -f "$whole" "$part" 2>/dev/null || :
  [ -z "$staged" ] || rm -rf "$staged"
  [ -z "$work" ] || rm -rf "$work"
}
trap clean EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

remove_files() { # LIST: removes the files that it names
  while IFS= read -r file; do
    case $file in '' | /* | *..*) continue ;; esac
    rm -f "$prefix/$file" || fail 3 "Cannot remove $prefix/$file"
  done <"$1"
}

remove_folders() { # LIST: removes the folders that it names, inner ones first, where they are empty
  sort -r "$1" | while IFS= read -r folder; do
    case $folder in '' | /* | *..*) continue ;; esac
    rmdir "$prefix/$folder" 2>/dev/null || :
  done
}

if [ -n "$uninstall" ]; then
  [ -f "$prefix/$list" ] || fail 3 "$PROGRAM is not installed in \"$prefix\": there is no $list"
  work=$(mktemp -d) || fail 3 "Cannot make a temporary folder in \"${TMPDIR:-/tmp}\""
  cp "$prefix/$list" "$work/list"
  if [ -f "$prefix/$folders" ]; then cp "$prefix/$folders" "$work/made"; else : >"$work/made"; fi
  remove_files "$work/list"
  remove_folders "$work/made"
  say "Removed $PROGRAM from $prefix"
  exit 0
fi

[ -n "$from" ] || fail 2 "Nothing to install from: name a folder or a URL with --from"
for tool in awk find grep sed sort tar; do
  have $tool || fail 3 "$tool is needed. Install it and start again"
done
have sha256sum || have shasum || have openssl ||
  fail 3 "Cannot check the download: none of sha256sum, shasum and openssl is here"

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

# download URL FILE [goes-on]: with a third word, what FILE holds is taken as the beginning.
download() {
  if have curl; then
    curl -fsSL --retry 2 ${3:+-C -} -o "$2" "$1"
  elif have wget; then
    if [ -n "${3-}" ] && wget --help 2>&1 | grep -q -- '-c'; then wget -q -c -O "$2" "$1"; else wget -q -O "$2" "$1"; fi
  else
    fail 3 "Cannot download $1: neither curl nor wget is here. Install one, or download the release's files to a folder and name that with --from"
  fi
}

size_of() { if [ -f "$1" ]; then wc -c <"$1" | tr -d ' '; else echo 0; fi; }

# fetch NAME FILE [goes-on]: gets a file of the release; with a third word, FILE may hold the beginning of it already.
fetch() {
  case $from in
    http://* | https://*)
      url=${from%/}/$1
      size=$(size_of "$2")
      download "$url" "$2" "${3-}" && return
      # If it went on and got no byte more, the server may not serve the rest: all of it then, once.
      [ -n "${3-}" ] && [ "$size" != 0 ] && [ "$(size_of "$2")" = "$size" ] || return 1
      rm -f "$2.new"
      status=0
      download "$url" "$2.new" || status=1
      if [ -s "$2.new" ]; then mv -f "$2.new" "$2" || return 1; else rm -f "$2.new"; fi
      return $status
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
  else openssl dgst -sha256 -r "$1"
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

# Reads versions, a line each, and prints the newest, in the order of semver: 1.9.0, 1.10.0-rc.1, 1.10.0.
newest() {
  awk '{
    version = $0
    sub(/[+].*/, "", version)
    dash = index(version, "-")
    numbers = split(dash ? substr(version, 1, dash - 1) : version, number, ".")
    key = ""
    for (i = 1; i <= 4; i++) key = key sprintf("%012.0f", i <= numbers ? number[i] : 0) " "
    words = dash ? split(substr(version, dash + 1), word, ".") : 0
    for (i = 1; i <= words; i++) key = key (word[i] ~ /^[0-9]+$/ ? "0" sprintf("%012.0f", word[i]) : "1" word[i]) " "
    # A final version comes after its candidates.
    print key (dash ? "" : "~") "\t" $0
  }' | LC_ALL=C sort | tail -n 1 | cut -f 2
}

# The archive's name and checksum, of the newest version where there are several.
names=$(sed -n "s/^[0-9a-f]\{64\}  \($PROGRAM-[0-9][^/ ]*-$target\.tar\.gz\)\$/\1/p" "$work/SHA256SUMS")
if [ -n "$version" ]; then archive=$PROGRAM-$version-$target.tar.gz
else archive=$PROGRAM-$(printf '%s\n' "$names" | sed "s/^$PROGRAM-//; s/-$target\.tar\.gz\$//" | newest)-$target.tar.gz
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
  [ "$1" != "$2" ] && [ "$(printf '%s\n' "$1" "$2" | newest)" = "$1" ]
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

is_ours() { # FOLDER: whether only root and this user can write to it, or put another one in its place
  place=$1
  until [ -d "$place" ]; do place=${place%/*} place=${place:-/}; done
  place=$(cd "$place" && pwd -P) || return 1
  while :; do
    [ -n "$(find "${place:-/}" -prune -type d \( -user 0 -o -user "$(id -u)" \) \( -perm -1000 -o ! -perm -020 ! -perm -002 \))" ] || return 1
    [ -n "$place" ] && [ "$place" != / ] || return 0
    place=${place%/*}
  done
}

# Downloads go to a place that the next try finds again, if nobody else can change what is there.
cache=${XDG_CACHE_HOME:-${HOME:-$work}/.cache}/$PROGRAM
case $cache in /*) ;; *) cache=$work ;; esac
{ is_ours "$cache" && mkdir -p "$cache" 2>/dev/null && [ -w "$cache" ] && is_ours "$cache"; } || cache=$work
part=$cache/$archive.$wanted.part
# A part that is somebody else's file, or a link to one, is none of ours.
[ -n "$(find "$part" -prune -type f -user "$(id -u)" -links 1 2>/dev/null)" ] || rm -f "$part"
get() { # [goes-on]
  fetch "$archive" "$part" "${1-}" && return
  if [ "$cache" = "$work" ]; then kept='Start again'; else kept='What came of it is kept; start again to go on'; fi
  fail 3 "Cannot get $archive from \"$from\". $kept"
}
if ! [ -f "$part" ] || [ "$(sha256 "$part")" != "$wanted" ]; then
  say "Getting $archive"
  begun=$(size_of "$part")
  get goes-on
  # What was there may have been no beginning of it.
  if [ "$begun" != 0 ] && [ "$(sha256 "$part")" != "$wanted" ]; then
    rm -f "$part"
    get
  fi
fi
# What is checked and unpacked is in a folder that only this user can open.
mv -f "$part" "$work/whole" || fail 3 "Cannot write to the temporary folder \"${TMPDIR:-/tmp}\""
found=$(sha256 "$work/whole")
[ "$found" = "$wanted" ] ||
  fail 1 "The checksum of $archive is $found: expected $wanted. It is damaged or was changed; nothing is installed"
whole=$work/whole

# All of it beside its place first, so that each file then comes in one move.
staged=$(mktemp -d "$prefix/.$PROGRAM.XXXXXX") || fail 3 "Cannot write to \"$prefix\""
# tar takes what comes for whole if that ends between two files.
{ $unpack -dc "$whole" || : >"$work/cut"; } | (cd "$staged" && tar -xf -) && [ ! -e "$work/cut" ] ||
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
      [ -e "$unit" ] || continue
      { sed "s#/usr/local/#$prefix/#g" "$unit" >"$work/unit" && cp "$work/unit" "$unit"; } ||
        fail 3 "Cannot write the prefix into ${unit##*/}. Nothing is installed"
    done
    ;;
esac

mkdir -p "$tree/${list%/*}"
paths_of() { # WORD…: prints the paths in the release that find finds with these words, sorted
  (cd "$tree" && find . "$@") >"$work/found" && sed -n 's#^\./##p' "$work/found" >"$work/paths" && sort "$work/paths"
}
{ paths_of ! -type d >"$work/files" && paths_of -type d >"$work/folders"; } ||
  fail 3 "Cannot list what is in $archive. Nothing is installed"
if [ -f "$prefix/$list" ]; then grep -vxF -f "$work/files" "$prefix/$list" | grep -vxF -e "$list" -e "$folders" >"$work/gone" || :; else : >"$work/gone"; fi

# Nothing is changed before everything can be: a file must not take the place of a folder, nor a folder that of a file.
while IFS= read -r folder; do
  if [ -e "$prefix/$folder" ] || [ -L "$prefix/$folder" ]; then
    [ -d "$prefix/$folder" ] || fail 3 "Cannot install to \"$prefix/$folder\": it is not a folder. Nothing is installed"
    [ -w "$prefix/$folder" ] || fail 3 "Cannot write to \"$prefix/$folder\". Nothing is installed"
  else
    printf '%s\n' "$folder"
  fi
done <"$work/folders" >"$work/made"
printf '%s\n' "$list" "$folders" >>"$work/files"
while IFS= read -r file; do
  [ ! -d "$prefix/$file" ] || fail 3 "Cannot install \"$prefix/$file\": a folder of that name is there. Nothing is installed"
done <"$work/files"
cp "$work/files" "$tree/$list"
cp "$work/made" "$work/all-made"
[ ! -f "$prefix/$folders" ] || sort -u "$prefix/$folders" "$work/made" >"$work/all-made"
cp "$work/all-made" "$tree/$folders"

# From here on a signal waits: each move is quick.
trap '' HUP INT TERM
old=$staged/old
: >"$work/moved"
undo() { # MESSAGE: puts back what was there, and fails
  while IFS= read -r file; do
    if [ -e "$old/$file" ] || [ -L "$old/$file" ]; then mv -f "$old/$file" "$prefix/$file"; else rm -f "$prefix/$file"; fi ||
      say "warning: $prefix/$file could not be put back"
  done <"$work/moved"
  remove_folders "$work/made"
  fail 3 "$1. Nothing is installed"
}
keep() { # FILE: keeps what is there now, as a second link where the disk has them
  [ -e "$prefix/$1" ] || [ -L "$prefix/$1" ] || return 0
  mkdir -p "$old/${1%/*}" || return 1
  { [ ! -L "$prefix/$1" ] && ln "$prefix/$1" "$old/$1" 2>/dev/null; } || cp -R -P -p "$prefix/$1" "$old/$1"
}
while IFS= read -r folder; do
  mkdir "$prefix/$folder" || undo "Cannot make the folder \"$prefix/$folder\""
done <"$work/made"
while IFS= read -r file; do
  keep "$file" || undo "Cannot keep \"$prefix/$file\" until it is replaced"
done <"$work/files"
while IFS= read -r file; do
  printf '%s\n' "$file" >>"$work/moved" || undo "Cannot write to the temporary folder \"${TMPDIR:-/tmp}\""
  mv -f "$tree/$file" "$prefix/$file" || undo "Cannot write to \"$prefix/$file\""
done <"$work/files"
whole=''
remove_files "$work/gone"
remove_folders "$work/all-made"

say "Installed $PROGRAM $version ($target) in $prefix${installed:+, in the place of $installed}"
case :$PATH: in *:"$prefix/bin":*) ;; *) say "Add it to PATH: export PATH=\"$prefix/bin:\$PATH\"" ;; esac
for link in $LINKS; do [ -e "$prefix/bin/$link" ] || say "warning: $prefix/bin/$link is missing"; done
