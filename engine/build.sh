#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Builds the engine's static library once per machine and toolchain, outside the tree, so that
# every checkout and every build directory shares it. Five to six minutes on two cores; later calls
# return at once. CMake calls it at configure time.
#
#   engine/build.sh                 builds if needed, prints the directory
#   engine/build.sh --print-dir     prints the directory, builds nothing
#
# The directory holds lib/libtheater_engine.a, include/ and the marker `complete`. Its name is a
# hash over all that goes into the library. Two builds at once are safe (flock), an interrupted one
# leaves nothing that looks complete (built beside it, then renamed).
#
#   THEATER_ENGINE_CACHE    where to keep it; default $XDG_CACHE_HOME/theater-engine, else
#                           ~/.cache/theater-engine
#   THEATER_ENGINE_TARGET   cargo's target directory, to reuse one with its compiled crates;
#                           default: one in the cache, removed when the build is complete
set -eu

RUST_NEEDED=1.95
say() { printf '%s\n' "$*" >&2; }
fail() { say "engine/build.sh: $*"; exit 1; }

here=$(cd "$(dirname "$0")" && pwd)
user_cache=${XDG_CACHE_HOME:-${HOME:?HOME or THEATER_ENGINE_CACHE has to be set}/.cache}
cache=${THEATER_ENGINE_CACHE:-$user_cache/theater-engine}

need="install Rust $RUST_NEEDED or later (Debian 12: apt install cargo-web rustc-web; else rustup)"
command -v cargo >/dev/null 2>&1 || fail "cargo was not found: $need"
command -v rustc >/dev/null 2>&1 || fail "rustc was not found: $need"
command -v flock >/dev/null 2>&1 || fail "flock was not found: apt install util-linux"
rust=$(rustc --version)
have=$(printf '%s\n' "$rust" | sed -n 's/^rustc \([0-9]*\.[0-9]*\).*/\1/p')
oldest=$(printf '%s\n%s\n' "$RUST_NEEDED" "$have" | sort -V | head -n 1)
[ "$oldest" = "$RUST_NEEDED" ] || fail "rustc ${have:-of unknown version} is too old: $need"

flags=${RUSTFLAGS:-}
key=$(
    cd "$here"
    {
        printf '%s\n%s\n%s\n' "$rust" "$(uname -m)" "$flags"
        for file in Cargo.lock Cargo.toml build.rs src/* include/*; do
            sha256sum "$file"
        done
    } | sha256sum | cut -c1-32
)
result=$cache/$key
if [ "${1:-}" = --print-dir ]; then
    printf '%s\n' "$result"
    exit 0
fi
[ $# -eq 0 ] || fail "unknown argument '$1' (only --print-dir)"
if [ -e "$result/complete" ]; then
    printf '%s\n' "$result"
    exit 0
fi

mkdir -p "$cache"
exec 9>"$cache/$key.lock"
if ! flock -n 9; then
    say "engine: another build of it is running, waiting"
    flock 9
fi
if [ -e "$result/complete" ]; then # by the other one
    printf '%s\n' "$result"
    exit 0
fi

work=$cache/$key.tmp # ours alone: we hold the lock
rm -rf "$work" "$result"
mkdir -p "$work/lib"
target=${THEATER_ENGINE_TARGET:-$cache/$key.target}
crates=$(grep -c '^\[\[package\]\]' "$here/Cargo.lock")
started=$(date +%s)
cargo_pid=
trap 'if [ -n "$cargo_pid" ]; then kill "$cargo_pid" 2>/dev/null || :; fi' EXIT
trap 'exit 130' INT TERM HUP

# Progress: cargo names each crate as it starts; the lock file says how many there are at most.
progress() {
    done=$(grep -c '^ *Compiling ' "$work/log" || :)
    printf 'engine: %s of about %s crates, %s s' "$done" "$crates" "$(($(date +%s) - started))"
}
say "engine: building Wasmtime, once; five to six minutes on two cores"
(
    cd "$here"
    CARGO_TARGET_DIR=$target exec cargo build --release --locked 9>&-
) >"$work/log" 2>&1 &
cargo_pid=$!
beat=0
while kill -0 "$cargo_pid" 2>/dev/null; do
    sleep 1
    beat=$((beat + 1))
    if [ -t 2 ]; then
        printf '\r%s ' "$(progress)" >&2
    elif [ $((beat % 15)) -eq 0 ]; then
        say "$(progress)"
    fi
done
[ ! -t 2 ] || say ""
if ! wait "$cargo_pid"; then
    cargo_pid=
    tail -n 25 "$work/log" >&2
    fail "cargo build failed; its whole output is in $work/log"
fi
cargo_pid=

cp "$target/release/libtheater_engine.a" "$work/lib/"
cp -R "$target/release/include" "$work/include"
cp "$here/include/"*.h "$work/include/"
: >"$work/complete"
mv "$work" "$result"
[ -n "${THEATER_ENGINE_TARGET:-}" ] || rm -rf "$target"
say "engine: built in $(($(date +%s) - started)) s"
printf '%s\n' "$result"
