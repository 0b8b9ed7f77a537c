#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The shared library exports what symbols.txt lists, and nothing else.
#   symbols.sh LIBRARY LIST [--rebase]     THEATER_REBASE=1 does the same as --rebase
set -euo pipefail
export LC_ALL=C

library=$1
list=$2
exported() { # THEATER_0 is the version node itself
    nm -D --defined-only "$library" |
        awk '$3 !~ /^THEATER_0/ { sub(/@.*/, "", $3); print $3 }' | sort
}

foreign=$(exported | grep -Ev '^theater_[a-z0-9]' || :)
if [ -n "$foreign" ]; then
    printf 'exported, but not of this project (cmake/theater.map): %s\n' $foreign
    exit 1
fi
if [ "${3:-}" = --rebase ] || [ -n "${THEATER_REBASE:-}" ]; then
    exported >"$list"
    exit 0
fi
if ! difference=$(diff "$list" <(exported)); then
    printf '%s\n' "$difference"
    printf 'The public surface has changed (< gone, > new). If that is meant, say so in\n'
    printf 'CHANGELOG.md and write the list anew:\n'
    printf '  THEATER_REBASE=1 ctest --preset dev -R public_symbols\n'
    exit 1
fi
