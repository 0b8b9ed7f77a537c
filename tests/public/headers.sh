#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Each public header compiles alone, in C11 and in C++17, without a warning; clang, where it is
# installed, also compares the Doxygen comments with the declarations.
#   headers.sh INCLUDE-DIRECTORY
set -euo pipefail

include=$1
command -v g++ >/dev/null || { echo "g++ is missing: apt-get install g++"; exit 77; }
bad=0
count=0
while read -r header; do
    count=$((count + 1))
    unit="#include <${header#"$include"/}>
typedef int theater_not_empty;"
    flags=(-I"$include" -fsyntax-only -Wall -Wextra -Wpedantic -Werror)
    few=-fmax-errors=3
    gcc -x c -std=c11 "${flags[@]}" $few - <<<"$unit" || bad=1
    g++ -x c++ -std=c++17 "${flags[@]}" $few - <<<"$unit" || bad=1
    if command -v clang-14 >/dev/null; then
        clang-14 -x c -std=c11 "${flags[@]}" -Wdocumentation - <<<"$unit" || bad=1
    fi
done < <(find "$include" -name '*.h' | sort)
[ $count -gt 0 ] || { echo "no headers in $include"; exit 1; }
printf '%s headers\n' $count
exit $bad
