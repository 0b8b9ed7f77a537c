#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every command, option and status has its line in the man pages, and every page is made from sound
source.

    man_test.py THEATER MAN_FOLDER ERROR_HEADER SCDOC|-
"""
import os
import re
import subprocess
import sys
import tempfile


def help_of(theater, words):
    result = subprocess.run([theater] + words + ["--help"], capture_output=True, text=True,
                            check=False)
    if result.returncode != 0:
        sys.exit("'%s --help' ends with %d" % (" ".join(words), result.returncode))
    return result.stdout


def commands_of(text):
    return [line.strip() for line in re.findall(r"^  ([a-z]+(?: [a-z]+)?)  ", text, flags=re.M)]


def options_of(text):
    return re.findall(r"^  (--[a-z-]+)(?: ([A-Z:|]+))?", text, flags=re.M)


def read(folder, name):
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8") as file:
        return file.read()


def entry(name, argument):
    """How an option begins its entry: *--store* _URL_ on a line of its own."""
    value = " _%s_" % argument if argument else ""
    return re.compile(r"^\*%s\*%s$" % (re.escape(name), re.escape(value)), flags=re.M)


def check_command(theater, folder, command):
    page = "theater-%s.1.scd" % command.split()[0]
    text = read(folder, page)
    if not text:
        return ["man/%s is missing" % page]
    options = options_of(help_of(theater, command.split()))
    findings = ["'%s --help' lists no options" % command] if not options else []
    for name, argument in options:
        if not entry(name, argument).search(text):
            findings.append("man/%s has no entry '*%s*%s'"
                            % (page, name, " _%s_" % argument if argument else ""))
    return findings


def check_surplus(theater, folder, commands):
    """An option that a page has and the command has not."""
    findings = []
    for page in {"theater-%s.1.scd" % command.split()[0] for command in commands}:
        known = {name for command in commands if page == "theater-%s.1.scd" % command.split()[0]
                 for name, _ in options_of(help_of(theater, command.split()))}
        for name in re.findall(r"^\*(--[a-z-]+)\*", read(folder, page), flags=re.M):
            if name not in known:
                findings.append("man/%s has the entry '%s', which no help has" % (page, name))
    return findings


def check_sources(folder, scdoc):
    findings = []
    with tempfile.TemporaryDirectory() as scratch:
        for name in sorted(os.listdir(folder)):
            if name.endswith(".scd"):
                result = subprocess.run(
                    [os.path.join(folder, "page.sh"), scdoc, os.path.join(folder, name),
                     os.path.join(scratch, "page")], capture_output=True, text=True, check=False)
                made = os.path.join(scratch, "page")
                if result.returncode != 0 or result.stderr or os.path.getsize(made) == 0:
                    findings.append("man/%s: %s" % (name, result.stderr.strip()))
    return findings


def main():
    theater, folder, header, scdoc = sys.argv[1:5]
    commands = commands_of(help_of(theater, []))
    findings = [] if len(commands) >= 7 else ["'theater --help' lists only %s" % commands]
    top = read(folder, "theater.1.scd")
    for command in commands:
        if not re.search(r"^\*%s\*$" % command, top, flags=re.M):
            findings.append("man/theater.1.scd has no entry '*%s*'" % command)
        findings += check_command(theater, folder, command)
    findings += check_surplus(theater, folder, commands)
    with open(header, encoding="utf-8") as file:
        statuses = re.findall(r"X\((\w+), (-?\d+),", file.read())
    for name, number in statuses:
        if "*THEATER_%s* (%s)" % (name, number) not in read(folder, "libtheater.3.scd"):
            findings.append("man/libtheater.3.scd has no entry '*THEATER_%s* (%s)'"
                            % (name, number))
    if scdoc != "-":
        findings += check_sources(folder, scdoc)
    print("\n".join(findings) or "%d commands, %d statuses" % (len(commands), len(statuses)))
    return 1 if findings or not statuses else 0


if __name__ == "__main__":
    sys.exit(main())
