#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs an example as its transcript says and compares what it prints.

    check.py --bin DIR --guests DIR TRANSCRIPT

A transcript is what a terminal would show: lines of `$ program arguments`, each with the output
that it is to have, stderr included. {store} is a fresh directory, {guests} the components' folder.
`<250..2000>` stands for a number within these bounds, which is how times are masked. A program that
does not end with 0 has a last line that says so: `[exit 1]`, `[signal 9]`.
"""
import argparse
import difflib
import os
import re
import subprocess
import sys
import tempfile

TIMEOUT_S = 60
RANGE = re.compile(r"<(\d+)\.\.(\d+)>")


def read_transcript(path):
    """A list of (arguments, expected lines)."""
    runs = []
    with open(path, encoding="utf-8") as file:
        for line in file.read().splitlines():
            if line.startswith("$ "):
                runs.append((line[2:].split(), []))
            elif runs:
                runs[-1][1].append(line)
    return runs


def line_matches(expected, actual):
    bounds = RANGE.findall(expected)
    pattern = r"(\d+)".join(re.escape(piece) for piece in RANGE.split(expected)[::3])
    found = re.fullmatch(pattern, actual)
    return found is not None and all(
        int(low) <= int(number) <= int(high)
        for (low, high), number in zip(bounds, found.groups()))


def matches(expected, actual):
    return len(expected) == len(actual) and all(map(line_matches, expected, actual))


def run(arguments, environment):
    done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=TIMEOUT_S, env=environment, check=False)
    lines = done.stdout.splitlines()
    if done.returncode < 0:
        lines.append("[signal %d]" % -done.returncode)
    elif done.returncode > 0:
        lines.append("[exit %d]" % done.returncode)
    return lines


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--guests", required=True)
    parser.add_argument("transcript")
    options = parser.parse_args()
    runs = read_transcript(options.transcript)
    if not runs:
        sys.exit("%s: no line begins with '$ '" % options.transcript)
    with tempfile.TemporaryDirectory(prefix="theater-example-") as scratch:
        environment = dict(os.environ, XDG_CACHE_HOME=os.path.join(scratch, "cache"))
        names = {"store": os.path.join(scratch, "store"), "guests": options.guests}
        for words, expected in runs:
            arguments = [word.format(**names) for word in words]
            arguments[0] = os.path.join(options.bin, arguments[0])
            actual = run(arguments, environment)
            if not matches(expected, actual):
                sys.stdout.writelines(line + "\n" for line in difflib.unified_diff(
                    expected, actual, "expected: " + " ".join(words), "actual", lineterm=""))
                sys.exit(1)


if __name__ == "__main__":
    main()
