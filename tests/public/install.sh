#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A program outside of the tree builds against an installed copy and runs: through pkg-config with
# the shared and with the static library, and through find_package.
#   install.sh BUILD-DIRECTORY PROGRAM.c FLAGS
set -euo pipefail

build=$1
program=$2
flags=$3 # of a sanitized build: its libraries need the same
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

cmake --install "$build" --prefix "$place/usr" >/dev/null
pc=$(find "$place/usr" -name theater.pc)
libraries=$(dirname "$(dirname "$pc")")
query() {
    PKG_CONFIG_PATH=$(dirname "$pc") pkg-config "$@" theater
}

cd "$place"
# shellcheck disable=SC2046,SC2086 # lists of flags
gcc -std=c11 -Wall -Wextra -Werror $flags -o shared "$program" $(query --cflags --libs)
LD_LIBRARY_PATH=$libraries ./shared
readelf -d shared | grep -q 'libtheater\.so\.0' || { echo "not linked to libtheater.so.0"; exit 1; }

rm "$libraries"/libtheater.so*
# shellcheck disable=SC2046,SC2086
gcc -std=c11 -Wall -Wextra -Werror $flags -o static "$program" \
    $(query --static --cflags --libs)
./static

cmake --install "$build" --prefix "$place/usr" >/dev/null
mkdir consumer
cp "$program" consumer/
cat >consumer/CMakeLists.txt <<'C'
cmake_minimum_required(VERSION 3.25)
project(outside LANGUAGES C)
find_package(theater 0.1 REQUIRED)
add_executable(outside outside.c)
target_link_libraries(outside PRIVATE theater::theater)
C
cmake -G Ninja -S consumer -B consumer/build -DCMAKE_PREFIX_PATH="$place/usr" \
    -DCMAKE_C_FLAGS="$flags" >/dev/null
cmake --build consumer/build >/dev/null
./consumer/build/outside
