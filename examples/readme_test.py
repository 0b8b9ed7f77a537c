#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Keeps the README's C program and examples/embed.c the same.

    readme_test.py [--mend] README EXAMPLE

The README shows the example from its first #include on, between two comments. --mend puts it there.
"""
import argparse
import re
import sys

BLOCK = re.compile(r"(<!-- examples/embed\.c -->\n).*?(<!-- end of examples/embed\.c -->)", re.S)


def shown(example):
    start = example.index("\n#include") + 1
    return "```c\n" + example[start:].rstrip("\n") + "\n```\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mend", action="store_true")
    parser.add_argument("readme")
    parser.add_argument("example")
    options = parser.parse_args()
    with open(options.readme, encoding="utf-8") as file:
        readme = file.read()
    with open(options.example, encoding="utf-8") as file:
        block = shown(file.read())
    if not BLOCK.search(readme):
        sys.exit("%s: the marks of examples/embed.c are missing" % options.readme)
    wanted = BLOCK.sub(lambda found: found.group(1) + block + found.group(2), readme)
    if wanted == readme:
        return
    if not options.mend:
        sys.exit("%s shows another program than %s: run examples/readme_test.py --mend %s %s"
                 % (options.readme, options.example, options.readme, options.example))
    with open(options.readme, "w", encoding="utf-8") as file:
        file.write(wanted)


if __name__ == "__main__":
    main()
