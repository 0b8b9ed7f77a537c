#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# page.sh SCDOC SOURCE OUTPUT: one man page. scdoc indents by tabs, which this tree does not have:
# four blanks at the beginning of a line stand for one.
set -eu
sed 's/^    /\t/' "$2" | "$1" >"$3.partial"
mv "$3.partial" "$3"
