#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the cases of golden/: a command as it is typed, its output, its exit status.

    run_golden.py THEATER [--rebase] [CASE...]

A case is a transcript. Every command runs in bash in the case's own empty directory:

    # why this matters
    $ theater run --invoke number --args '[7]' $W/kit.wat
    7                       a line of stdout
    2> theater: …           a line of stderr
    |                       a blank line of stdout, and before lines that would read as one of these
    ? 3                     the exit status, if it is not 0

$G is the folder of the example guests, $W that of the tests' own; stores go to the case's own state
directory. In output <id>, <hash>, <time>, <dir>, <G> and <W> stand for what differs from run to run
(ids that begin with 00000000 are kept), <int:A-B> for a number from A to B, <any> for anything.
--rebase writes what was seen, and keeps the lines that match.
"""
import argparse
import concurrent.futures
import difflib
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(HERE, "golden")
# A command that hangs fails its case instead of the whole run.
COMMAND_SECONDS_MAX = 60


class Step:
    def __init__(self, command):
        self.command = command
        self.out = []
        self.err = []
        self.status = 0


def parse(path):
    """[(kind, value)]: comments and blank lines as text, commands as Step."""
    parts = []
    with open(path, encoding="utf-8") as file:
        for line in file.read().split("\n")[:-1]:
            step = parts[-1] if parts and isinstance(parts[-1], Step) else None
            if line.startswith("$ "):
                parts.append(Step(line[2:]))
            elif step is None or line.startswith("# ") or (line == "" and step is not None):
                parts.append(line)
            elif line.startswith("2> "):
                step.err.append(line[3:])
            elif line.startswith("? "):
                step.status = int(line[2:])
            elif line.startswith("|"):
                step.out.append(line[2:])
            else:
                step.out.append(line)
    return parts


def quoted(line):
    """An output line which would read as something else is written behind a bar."""
    if line == "":
        return "|"
    return "| " + line if line.startswith(("$ ", "2> ", "? ", "# ", "|")) else line


def lines_of(step):
    lines = ["$ " + step.command] + [quoted(line) for line in step.out]
    lines += ["2> " + line for line in step.err]
    return lines + (["? %d" % step.status] if step.status else [])


def normal(data, scratch, env):
    text = data.decode("utf-8", "replace")
    for folder, word in ((scratch, "<dir>"), (env["G"], "<G>"), (env["W"], "<W>")):
        text = text.replace(folder, word)
    text = re.sub(r"\b(?!00000000)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b",
                  "<id>", text)
    text = re.sub(r"\b[0-9a-f]{64}\b", "<hash>", text)
    text = re.sub(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "<time>", text)
    return text.split("\n")[:-1] if text.endswith("\n") else (text.split("\n") if text else [])


def matches(expected, actual):
    if expected == actual:
        return True
    ranges = []

    def to_pattern(match):
        if match.group(0) == "<any>":
            return ".*"
        ranges.append((int(match.group(1)), int(match.group(2))))
        return r"(\d+)"
    pieces = re.split(r"(<any>|<int:\d+-\d+>)", expected)
    pattern = "".join(re.sub(r"<any>|<int:(\d+)-(\d+)>", to_pattern, piece)
                      if re.fullmatch(r"<any>|<int:\d+-\d+>", piece) else re.escape(piece)
                      for piece in pieces)
    match = re.fullmatch(pattern, actual)
    return match is not None and all(low <= int(group) <= high for group, (low, high)
                                     in zip(match.groups(), ranges))


def keep_matching(expected, actual):
    """The actual lines, with the expected one wherever it matches."""
    if len(expected) == len(actual):
        return [e if matches(e, a) else a for e, a in zip(expected, actual)]
    return [next((e for e in expected if matches(e, a)), a) for a in actual]


def environment(theater, scratch):
    cache = os.path.join(os.path.dirname(os.path.abspath(theater)), "..", "golden-cache")
    env = {key: value for key, value in os.environ.items()
           if key in ("PATH", "TMPDIR", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LD_LIBRARY_PATH")}
    env.update(PATH=os.path.dirname(os.path.abspath(theater)) + ":" + env.get("PATH", ""),
               HOME=os.path.join(scratch, "home"), LC_ALL="C.UTF-8",
               XDG_STATE_HOME=os.path.join(scratch, "state"),
               XDG_CACHE_HOME=os.path.normpath(cache),
               G=os.path.normpath(os.path.join(HERE, "..", "..", "examples", "guests")),
               W=os.path.join(HERE, "guests"), TOOLS=HERE)
    return env


def run_case(theater, path):
    """(expected lines, lines seen with what matches kept)"""
    parts = parse(path)
    scratch = tempfile.mkdtemp(prefix="theater-golden-")
    work = os.path.join(scratch, "work")
    os.mkdir(work)
    expected, seen = [], []
    try:
        env = environment(theater, scratch)
        for part in parts:
            if not isinstance(part, Step):
                expected.append(part)
                seen.append(part)
                continue
            expected += lines_of(part)
            actual = Step(part.command)
            try:
                result = subprocess.run(["bash", "-c", part.command], cwd=work, env=env,
                                        stdin=subprocess.DEVNULL, capture_output=True,
                                        timeout=COMMAND_SECONDS_MAX, check=False)
                out, err, actual.status = result.stdout, result.stderr, result.returncode
            except subprocess.TimeoutExpired as late:
                out, err, actual.status = late.stdout or b"", late.stderr or b"", -1
            actual.out = keep_matching(part.out, normal(out, scratch, env))
            actual.err = keep_matching(part.err, normal(err, scratch, env))
            seen += lines_of(actual)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return expected, seen


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("theater")
    parser.add_argument("--rebase", action="store_true")
    parser.add_argument("cases", nargs="*")
    arguments = parser.parse_intermixed_args()
    names = arguments.cases or sorted(n[:-5] for n in os.listdir(GOLDEN) if n.endswith(".case"))
    paths = [os.path.join(GOLDEN, name + ".case") for name in names]
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        results = pool.map(lambda path: run_case(arguments.theater, path), paths)
        for path, (expected, seen) in zip(paths, results):
            if expected == seen:
                continue
            bad += 1
            if arguments.rebase:
                with open(path, "w", encoding="utf-8") as file:
                    file.write("\n".join(seen) + "\n")
                print("rewritten: %s" % path)
            else:
                print("\n".join(difflib.unified_diff(expected, seen, path, "seen", lineterm="")))
    print("%d cases, %d differ" % (len(paths), bad))
    return 1 if not paths or (bad and not arguments.rebase) else 0


if __name__ == "__main__":
    sys.exit(main())
