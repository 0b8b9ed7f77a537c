#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tools/rewrap.py moves words of prose, and leaves tables, drawings and code alone."""
import os
import subprocess
import sys
import tempfile

REWRAP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "rewrap.py")
FULL = "x" * 92  # with " * " and a word of 4 letters: 100 columns

CASES = {
    # name: (before, after)
    "fits": (" * %s abcd\n" % FULL, " * %s abcd\n" % FULL),
    "next_line": (" * %s abcde\n * then\n" % FULL, " * %s\n * abcde then\n" % FULL),
    "own_line": (" * %s abcde\n *\n" % FULL, " * %s\n * abcde\n *\n" % FULL),
    "paragraph": (" * %s abcde\n * - an item\n" % FULL, " * %s\n * abcde\n * - an item\n" % FULL),
    "one_line": ("/* %s abcde */\n" % FULL, "/*\n * %s\n * abcde\n */\n" % FULL),
    "first_line": ("/* %s abcde\n * then */\n" % FULL, "/* %s\n * abcde then */\n" % FULL),
    "ruler": ("/* ---- a " + "-" * 95 + " */\n", "/* ---- a " + "-" * 87 + " */\n"),
    "hanging": (" * \\return %s abcdef\n *         more\n" % FULL[8:],
               " * \\return %s\n *         abcdef more\n" % FULL[8:]),
    "table": (" * | %s | abcde |\n" % FULL, " * | %s | abcde |\n" % FULL),
    "columns": (" * a   %s abcde\n" % FULL, " * a   %s abcde\n" % FULL),
    "code": ("    call(%s, abcde);\n" % FULL, "    call(%s, abcde);\n" % FULL),
    "shell": ("# %s abcdef\nrun\n" % FULL, "# %s\n# abcdef\nrun\n" % FULL),
}


def main():
    failed = 0
    for name, (before, after) in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "file.c")
            with open(path, "w", encoding="utf-8") as file:
                file.write(before)
            subprocess.run([sys.executable, REWRAP, path], check=True)
            with open(path, encoding="utf-8") as file:
                found = file.read()
        if found != after:
            failed += 1
            print("%s: expected\n%s found\n%s" % (name, after, found))
    print("%d cases, %d failed" % (len(CASES), failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
