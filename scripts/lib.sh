# SPDX-License-Identifier: Apache-2.0
# What quickstart, check and format share: steps with their time, and what has to be installed.
# Sourced, never run. Quiet steps write to build/log/<step>.log, which is shown when they fail.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
logs=$root/build/log
started_at=$(date +%s%3N)

# A bare container or a service may have neither; everything below expects both.
umask 022
if [ -z "${HOME:-}" ]; then
    HOME=$(getent passwd "$(id -u)" 2>/dev/null | cut -d: -f6 || :)
    [ -n "$HOME" ] && [ -d "$HOME" ] || HOME=/tmp
    export HOME
fi
export PATH="${PATH:-/usr/local/bin:/usr/bin:/bin}:/usr/sbin:/sbin"
export LC_ALL=C.UTF-8
export CTEST_PARALLEL_LEVEL=${CTEST_PARALLEL_LEVEL:-$(nproc)}

RUST_NEEDED=1.95

# package=probe: a probe is a program, pc:<pkg-config module> or file:<path>. Probes ask for the
# thing and not for the package, so that what was installed by other means counts.
packages_build="
ca-certificates=file:/etc/ssl/certs/ca-certificates.crt
git=git
pkg-config=pkg-config
cmake=cmake
ninja-build=ninja
gcc=gcc
libc6-dev=file:/usr/include/stdio.h
libssl-dev=pc:libcrypto
libjson-c-dev=pc:json-c
uuid-dev=pc:uuid
libcmocka-dev=pc:cmocka
"
packages_check="
g++=g++
python3=python3
clang-14=clang-14
clang-format-14=clang-format-14
clang-tidy-14=clang-tidy-14
scdoc=scdoc
libuv1-dev=pc:libuv
libsqlite3-dev=pc:sqlite3
"

say() {
    printf '%s\n' "$*"
}

fail() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

seconds_since() { # <start in ms>: "12.3"
    local ms=$(($(date +%s%3N) - $1))
    printf '%d.%d' $((ms / 1000)) $((ms % 1000 / 100))
}

# step <words> <command...>: quiet; one line with its time. The first words name the log.
step() {
    local words=$1 start log
    shift
    mkdir -p "$logs"
    log=$logs/$(printf '%s' "$words" | tr -cs 'a-zA-Z0-9\n' '-').log
    start=$(date +%s%3N)
    if "$@" >"$log" 2>&1 </dev/null; then
        printf 'ok    %-52s %7s s\n' "$words" "$(seconds_since "$start")"
        return 0
    fi
    printf 'FAIL  %-52s %7s s\n' "$words" "$(seconds_since "$start")"
    tail -n 60 "$log" >&2
    printf '%s: %s failed; its whole output is in %s\n' "$(basename "$0")" "$words" "$log" >&2
    exit 1
}

# The same with what it says on stderr shown as it comes: for steps of minutes.
step_live() {
    local words=$1 start
    shift
    start=$(date +%s%3N)
    if "$@" >/dev/null </dev/null; then
        printf 'ok    %-52s %7s s\n' "$words" "$(seconds_since "$start")"
        return 0
    fi
    printf 'FAIL  %-52s %7s s\n' "$words" "$(seconds_since "$start")"
    exit 1
}

have() { # <probe>
    case $1 in
    pc:*) command -v pkg-config >/dev/null 2>&1 && pkg-config --exists "${1#pc:}" ;;
    file:*) [ -e "${1#file:}" ] ;;
    *) command -v "$1" >/dev/null 2>&1 ;;
    esac
}

missing_packages() { # <list>: the packages whose probe fails, one a line
    local entry
    for entry in $1; do
        have "${entry#*=}" || printf '%s\n' "${entry%%=*}"
    done
}

apt_install() { # <packages...>; --no-remove: nothing of the user's is taken away for it
    export DEBIAN_FRONTEND=noninteractive
    if [ -z "${apt_updated:-}" ]; then
        apt-get update || return 1
        apt_updated=yes
    fi
    apt-get install -y --no-install-recommends --no-remove "$@"
}

can_install() {
    [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1
}

ensure_packages() { # <words> <list>
    local missing package
    missing=$(missing_packages "$2")
    [ -n "$missing" ] || return 0
    if ! can_install; then
        for package in $missing; do
            printf '%s: %s is missing: as root, apt-get install %s\n' "$(basename "$0")" \
                "$package" "$package" >&2
        done
        exit 1
    fi
    # shellcheck disable=SC2086 # a list of words
    step "install $1 ($(printf '%s' "$missing" | wc -w))" apt_install $missing
    hash -r
    missing=$(missing_packages "$2")
    [ -z "$missing" ] || fail "still missing after apt-get install:" $missing
}

rust_is_enough() { # cargo and rustc of at least RUST_NEEDED
    local tool version oldest
    for tool in cargo rustc; do
        command -v $tool >/dev/null 2>&1 || return 1
        version=$($tool --version 2>/dev/null | awk '{print $2}')
        oldest=$(printf '%s\n%s\n' "$RUST_NEEDED" "$version" | sort -V | head -n 1)
        [ "$oldest" = "$RUST_NEEDED" ] || return 1
    done
}

ensure_rust() {
    rust_is_enough && return 0
    if [ -x "$HOME/.cargo/bin/cargo" ]; then
        PATH=$HOME/.cargo/bin:$PATH
        rust_is_enough && return 0
    fi
    can_install || fail "cargo $RUST_NEEDED or later is missing: as root," \
        "apt-get install cargo-web rustc-web"
    step "install Rust" apt_install cargo-web rustc-web
    hash -r
    rust_is_enough || fail "apt's cargo-web is older than $RUST_NEEDED: add bookworm-security to" \
        "the apt sources, or install Rust with rustup"
}

ensure_engine() {
    local directory
    directory=$("$root/engine/build.sh" --print-dir)
    if [ -e "$directory/complete" ]; then
        step "engine (in the cache)" "$root/engine/build.sh"
    else
        say "      engine: built once, kept in $(dirname "$directory")"
        step_live "engine" "$root/engine/build.sh"
    fi
}

configure_and_build() { # <preset>
    step "configure $1" cmake --preset "$1"
    step "build $1" cmake --build --preset "$1"
}

total() { # <words>
    printf 'ok    %-52s %7s s\n' "$1" "$(seconds_since "$started_at")"
}
