#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The house rules that a compiler does not know (STYLE.md).

    tools/tidy.py [--root DIR]     one finding a line: file:line: what: how to mend; exit 1 if any
    tools/tidy.py --files          the files it looks at: those of git, new ones included

A rule that makes a piece worse is broken there, with its reason, on the line itself or on the one
above:  tidy-allow: <rule>: <reason>
"""
import argparse
import fnmatch
import os
import re
import subprocess
import sys

COLUMNS_MAX = 100
FUNCTION_LINES_MAX = 70
SOURCE_LINES_MAX = 800
HEADER_LINES_MAX = 600
BLOB_BYTES_MAX = 64 * 1024

# Files that are data of somebody else's making, kept byte for byte.
VERBATIM = ("LICENSE", "tests/vectors/*", "tests/*/golden/*", "tests/*/corpus/*", "*.lock")
CODE = (".c", ".h", ".cc", ".cpp", ".rs", ".py", ".sh", ".cmake")

# Names of one machine have no place in a project. Written in two halves, so as not to find itself.
FOREIGN = re.compile(r"(?<![\w.$}{)*-])/(?:ro" r"ot|wo" r"rk|home/[a-z]\w*)/")
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b(?!\(#\d+\))")


class Ban:
    """Calls that are not made, where, and what is called instead."""

    def __init__(self, rule, names, mend, inside, outside=()):
        self.rule = rule
        self.names = names
        self.mend = mend
        self.inside = inside
        self.outside = outside
        # Not a member (a.free(), a->time()), not part of a longer name, not a declaration's target.
        self.pattern = re.compile(r"(?<![\w.])(?<!->)(%s)\s*\(" % "|".join(names.split()))


C_FOLDERS = ("src/", "tests/", "examples/", "bench/")
BANS = (
    Ban("alloc", "malloc calloc realloc free strdup strndup asprintf vasprintf posix_memalign",
        "theater__alloc and its family (base/alloc.h)", ("src/",), ("src/base/", "src/engine/")),
    Ban("string", "strcpy strcat sprintf vsprintf gets strtok atoi atol atoll",
        "snprintf, theater__buffer, or a parser that reports", C_FOLDERS),
    Ban("clock", "clock_gettime gettimeofday time clock ftime timespec_get localtime gmtime",
        "theater__clock (only src/clock reads a clock)", ("src/",), ("src/clock/",)),
    Ban("print", "printf fprintf vprintf vfprintf puts putchar fputs perror exit abort",
        "theater__log and a status: the library never prints and never exits",
        ("src/",), ("src/cli/", "src/base/assert.c")),
    Ban("sleep", "sleep usleep nanosleep clock_nanosleep",
        "a due time, or poll() on what is awaited", ("src/", "tests/")),
    Ban("random", "rand srand random srandom rand_r drand48",
        "a seeded generator, or getrandom()", C_FOLDERS),
    Ban("alloca", "alloca", "an array with a named maximum, or theater__alloc", C_FOLDERS),
    Ban("assert", "assert", "THEATER_ASSERT, which is always on", ("src/",)),
)


class Tree:
    def __init__(self, root):
        self.root = root
        self.files = list_files(root)
        self.findings = []
        self.texts = {}

    def text(self, path):
        """A file's text, or None if it is no text."""
        if path not in self.texts:
            with open(os.path.join(self.root, path), "rb") as file:
                data = file.read()
            try:
                self.texts[path] = None if b"\0" in data else data.decode("utf-8")
            except UnicodeDecodeError:
                self.texts[path] = None
        return self.texts[path]

    def report(self, path, line, rule, mend):
        lines = (self.text(path) or "").split("\n")
        allow = "tidy-" + "allow: " + rule.split(" ")[0]
        near = lines[max(0, line - 2):line]
        if not any(allow in text for text in near):
            self.findings.append((path, line, rule, mend))


def list_files(root):
    command = ["git", "-c", "safe.directory=*", "-C", root,
               "ls-files", "-z", "-co", "--exclude-standard"]
    if os.path.exists(os.path.join(root, ".git")):
        result = subprocess.run(command, capture_output=True, check=False)
        if result.returncode == 0:
            names = {name for name in result.stdout.decode().split("\0") if name}
            return sorted(n for n in names if os.path.isfile(os.path.join(root, n)))
    names = []  # an unpacked archive
    for folder, folders, files in os.walk(root):
        folders[:] = [f for f in folders if f not in (".git", "build", "target", "__pycache__")]
        names += [os.path.relpath(os.path.join(folder, f), root) for f in files]
    return sorted(names)


def blank(text):
    """C text with comments and literals turned into blanks of the same shape."""
    def same_shape(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    token = r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
    return re.sub(token, same_shape, text, flags=re.S)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def is_verbatim(path):
    return any(fnmatch.fnmatch(path, pattern) for pattern in VERBATIM)


def is_code(path, text):
    return path.endswith(CODE) or path.endswith("CMakeLists.txt") or text.startswith("#!")


# ---- any file ----------------------------------------------------------------------------------

def check_blob(tree, path):
    size = os.path.getsize(os.path.join(tree.root, path))
    if size > BLOB_BYTES_MAX:
        tree.report(path, 1, "blob of %d bytes" % size, "at most 64 KiB: build it")
    if tree.text(path) is None:
        tree.report(path, 1, "binary file", "keep its source, and build it")


def check_text(tree, path, text):
    for match in FOREIGN.finditer(text):
        tree.report(path, line_of(text, match.start()), "path of one machine '%s'" % match.group(0),
                    "say it relative to the project, or with a variable")
    if path.endswith(".md") or path.endswith(".wat"):
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line != line.rstrip():
            tree.report(path, number, "trailing blanks", "remove them")
        if "\t" in line:
            tree.report(path, number, "tab", "4 spaces, or \\t in a literal")


def check_code(tree, path, text):
    lines = text.split("\n")
    spdx_line = 1 if text.startswith("#!") else 0
    if "SPDX-License-Identifier: Apache-2.0" not in "".join(lines[spdx_line:spdx_line + 1]):
        tree.report(path, spdx_line + 1, "spdx line is missing",
                    "begin with SPDX-License-Identifier: Apache-2.0")
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS_MAX:
            tree.report(path, number, "columns: %d" % len(line), "at most %d" % COLUMNS_MAX)
    limit = HEADER_LINES_MAX if path.endswith(".h") else SOURCE_LINES_MAX
    if len(lines) - 1 > limit:
        tree.report(path, 1, "file of %d lines" % (len(lines) - 1),
                    "at most %d: split it by what it is about" % limit)
    for match in UNFINISHED.finditer(text):
        tree.report(path, line_of(text, match.start()), "unfinished without an issue",
                    "write %s(#number), or finish it" % match.group(1))


# ---- C -----------------------------------------------------------------------------------------

def check_essay(tree, path, text):
    match = re.match(r"/\* SPDX[^\n]*\*/\n\s*/\*(.*?)\*/", text, flags=re.S)
    if not match or len(re.findall(r"\w+", match.group(1))) < 8:
        tree.report(path, 2, "essay is missing",
                    "say after the SPDX line what the file is, why this way, and its invariants")


def check_guard(tree, path, text):
    match = re.search(r"^#ifndef (\w+)\n#define (\w+)\n", text, flags=re.M)
    wanted = None
    parts = path.split("/")
    if parts[0] == "include":
        wanted = "_".join(parts[1:])
    elif parts[0] == "src":
        wanted = parts[1] + "_" + parts[-1]
    if wanted:
        wanted = re.sub(r"\W", "_", wanted).upper()
    if not match or match.group(1) != match.group(2) or not text.rstrip().endswith("#endif"):
        tree.report(path, 1, "guard is missing", "#ifndef, #define, and #endif as the last line")
    elif wanted and match.group(1) != wanted:
        tree.report(path, line_of(text, match.start()), "guard is named %s" % match.group(1),
                    "name it %s" % wanted)


def check_functions(tree, path, text):
    start = None
    for number, line in enumerate(text.split("\n"), 1):
        if line == "{":
            start = number
        elif line.startswith("}") and start is not None:
            if number - start - 1 > FUNCTION_LINES_MAX:
                tree.report(path, start, "function of %d lines" % (number - start - 1),
                            "at most %d: branch in the parent, straight-line helpers"
                            % FUNCTION_LINES_MAX)
            start = None


def check_bans(tree, path, code):
    program = re.search(r"^int main\(", code, flags=re.M) is not None
    for ban in BANS:
        if not path.startswith(ban.inside) or (ban.outside and path.startswith(ban.outside)):
            continue
        if ban.rule == "print" and program:
            continue
        for match in ban.pattern.finditer(code):
            tree.report(path, line_of(code, match.start()), "%s: call of %s()"
                        % (ban.rule, match.group(1)), "use " + ban.mend)


# ---- rooms -------------------------------------------------------------------------------------

ROOM_KEYWORDS = ("SOURCES", "USES", "LIBRARIES")


def room_table(tree):
    """{room: (rooms it may use, line, path)} from the theater_room() calls."""
    table = {}
    for path in tree.files:
        if not re.fullmatch(r"src/\w+/CMakeLists\.txt", path):
            continue
        text = re.sub(r"#[^\n]*", "", tree.text(path) or "")
        match = re.search(r"theater_room\(\s*(\w+)([^)]*)\)", text)
        if not match:
            continue
        uses, keyword = set(), None
        for word in match.group(2).split():
            if word in ROOM_KEYWORDS:
                keyword = word
            elif keyword == "USES":
                uses.add(word)
        table[match.group(1)] = (uses, line_of(text, match.start()), path)
    return table


def architecture_table(tree):
    """The same from ARCHITECTURE.md: rows that begin with `src/<room>`; 'may use' is the third."""
    table = {}
    for line in (tree.text("ARCHITECTURE.md") or "").split("\n"):
        match = re.match(r"\|\s*`src/(\w+)`\s*\|", line)
        cells = line.split("|")
        if not match or len(cells) < 5:
            continue
        uses = set(re.findall(r"\w+", re.sub(r"\([^)]*\)|include/", "", cells[3])))
        table[match.group(1)] = set(table) if {"all", "above"} <= uses else uses
    return table


def check_rooms(tree):
    table = room_table(tree)
    if "ARCHITECTURE.md" in tree.files:
        written = architecture_table(tree)
        for room, (uses, line, path) in table.items():
            if room not in written:
                tree.report(path, line, "room %s is not in ARCHITECTURE.md" % room, "add its row")
            for other in sorted(uses - written.get(room, uses)):
                tree.report(path, line, "room %s uses %s" % (room, other),
                            "ARCHITECTURE.md's table does not grant it")
    folders = {path.split("/")[1] for path in tree.files
               if path.startswith("src/") and path.count("/") > 1}
    for path in tree.files:
        if path.startswith("src/") and path.endswith((".c", ".h")) and path.count("/") > 1:
            check_includes(tree, path, table, folders)


def check_includes(tree, path, table, folders):
    room = path.split("/")[1]
    # A folder that is no room (the command line) sees include/ alone, like any other program.
    granted = table[room][0] if room in table else set()
    for match in re.finditer(r'^[ ]*#[ ]*include[ ]+([<"])([^>"]+)[>"]', tree.text(path) or "",
                             flags=re.M):
        name = match.group(2)
        line = line_of(tree.text(path), match.start())
        first = name.split("/")[0]
        if first.startswith(("wasm.h", "wasmtime", "wasi.h")) and room != "engine":
            tree.report(path, line, "include of <%s>" % name, "only src/engine sees Wasmtime")
        elif "/" in name and first in folders - granted - {room}:
            tree.report(path, line, "include of <%s>" % name,
                        "room %s may not use %s (USES in src/%s/CMakeLists.txt)"
                        % (room, first, room))
        if ".." in name.split("/"):
            tree.report(path, line, "include of \"%s\"" % name, "name it by its room: <room/x.h>")


def check_dead(tree, path):
    """A .c file that no CMakeLists.txt above it names, by its name or as a test or a program."""
    stem = os.path.basename(path)[:-2]
    words = {stem + ".c", stem, re.sub(r"_test$", "", stem)}
    folder = os.path.dirname(path)
    while True:
        lists = os.path.join(folder, "CMakeLists.txt") if folder else "CMakeLists.txt"
        if lists in tree.files:
            text = re.sub(r"#[^\n]*", "", tree.text(lists) or "")
            if words & set(re.findall(r"[\w.]+", text)) or re.search(r"GLOB[^)]*\*\.c", text):
                return
        if not folder:
            break
        folder = os.path.dirname(folder)
    tree.report(path, 1, "dead file", "name it in a CMakeLists.txt, or remove it")


def check_file(tree, path):
    check_blob(tree, path)
    text = tree.text(path)
    if text is None or is_verbatim(path):
        return
    check_text(tree, path, text)
    if is_code(path, text):
        check_code(tree, path, text)
    if not path.endswith((".c", ".h")):
        return
    code = blank(text)
    check_essay(tree, path, text)
    check_functions(tree, path, code)
    check_bans(tree, path, code)
    if path.endswith(".h"):
        check_guard(tree, path, text)
    else:
        check_dead(tree, path)


def main():
    parser = argparse.ArgumentParser(description="the house rules")
    parser.add_argument("--root", default=os.path.join(os.path.dirname(__file__), ".."))
    parser.add_argument("--files", action="store_true", help="print the files it looks at")
    arguments = parser.parse_args()
    tree = Tree(os.path.normpath(arguments.root))
    if arguments.files:
        print("\n".join(tree.files))
        return 0
    for path in tree.files:
        check_file(tree, path)
    check_rooms(tree)
    for path, line, what, mend in sorted(tree.findings):
        print("%s:%d: %s: %s" % (path, line, what, mend))
    return 1 if tree.findings else 0


if __name__ == "__main__":
    sys.exit(main())
