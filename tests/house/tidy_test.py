#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each rule of tools/tidy.py fires on a bad snippet, where it should, and on nothing else.

A case is a small tree, sound but for one thing; the expected finding is `file:line: what`.
"""
import os
import subprocess
import sys
import tempfile

TIDY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "tidy.py")
SPDX_C = "/* SPDX-License-Identifier: Apache-2.0 */\n"
SPDX = "# SPDX-License-Identifier: Apache-2.0\n"
ESSAY = "/*\n * What this file is, why it is this way, and what always holds in it.\n */\n"
HEAD = SPDX_C + ESSAY  # 4 lines

SOUND = {
    "CMakeLists.txt": SPDX + "add_subdirectory(src)\n",
    "src/base/CMakeLists.txt": SPDX + "theater_room(base SOURCES a.c)\n",
    "src/base/a.c": HEAD + "int a(void)\n{\n    return 0; /* free(x) in words */\n}\n",
    "src/base/include/base/a.h":
        HEAD + "#ifndef BASE_A_H\n#define BASE_A_H\nint a(void);\n#endif\n",
    "src/host/CMakeLists.txt": SPDX + "theater_room(host\n    SOURCES h.c\n    USES base)\n",
    "src/host/h.c": HEAD + '#include <base/a.h>\nint h(void)\n{\n    return a();\n}\n',
    "ARCHITECTURE.md": "| room | holds | may use | never |\n| --- | --- | --- | --- |\n"
                       "| `src/base` | x | libc | |\n| `src/host` | y | all above (z) | |\n",
}
GRANT = "src/host/CMakeLists.txt"
CALLER = HEAD + "void h(void *x)\n{\n    %s;\n}\n"


def host(call):
    return {"src/host/h.c": CALLER % call}


CASES = {
    # name: (what is put over the sound tree, expected `file:line: what` prefixes)
    "sound": ({}, []),
    "alloc": (host("x = malloc(3)"), ["src/host/h.c:7: alloc: call of malloc()"]),
    "free": (host("free(x)"), ["src/host/h.c:7: alloc: call of free()"]),
    "member": (host("x->free(x)"), []),
    "longer_name": (host("theater__free(x)"), []),
    "literal": (host('f("free(x)")'), []),
    "base_allocates": ({"src/base/a.c": CALLER % "free(x)"}, []),
    "strcpy": (host("strcpy(x, x)"), ["src/host/h.c:7: string: call of strcpy()"]),
    "clock": (host("time(0)"), ["src/host/h.c:7: clock: call of time()"]),
    "printf": (host("printf(x)"), ["src/host/h.c:7: print: call of printf()"]),
    "snprintf": (host("snprintf(x, 1, x)"), []),
    "exit": (host("exit(1)"), ["src/host/h.c:7: print: call of exit()"]),
    "program": ({"src/host/h.c": HEAD + "int main(void)\n{\n    exit(1);\n}\n"}, []),
    "usleep": (host("usleep(1)"), ["src/host/h.c:7: sleep: call of usleep()"]),
    "rand": (host("rand()"), ["src/host/h.c:7: random: call of rand()"]),
    "alloca": (host("alloca(3)"), ["src/host/h.c:7: alloca: call of alloca()"]),
    "assert": (host("assert(x)"), ["src/host/h.c:7: assert: call of assert()"]),
    "static_assert": (host("_Static_assert(1, \"\")"), []),
    "allowed": (host("free(x); /* tidy-" "allow: alloc: the loader's own */"), []),
    "allow_other": (host("free(x); /* tidy-" "allow: clock: no */"), ["src/host/h.c:7: alloc"]),
    "columns": (host("f(%s)" % ("1" * 95)), ["src/host/h.c:7: columns: 103"]),
    "tab": (host("f(\t)"), ["src/host/h.c:7: tab"]),
    "trailing": (host("f(); \n"), ["src/host/h.c:7: trailing blanks"]),
    "spdx": ({"src/host/h.c": "int h;\n"},
             ["src/host/h.c:1: spdx", "src/host/h.c:2: essay"]),
    "essay": ({"src/host/h.c": SPDX_C + "/* Short. */\nint h;\n"}, ["src/host/h.c:2: essay"]),
    "function": ({"src/host/h.c": HEAD + "int h(void)\n{\n" + "    h();\n" * 71 + "}\n"},
                 ["src/host/h.c:6: function of 71 lines"]),
    "function_70": ({"src/host/h.c": HEAD + "int h(void)\n{\n" + "    h();\n" * 70 + "}\n"}, []),
    "file": ({"src/host/h.c": HEAD + "int h;\n" * 797}, ["src/host/h.c:1: file of 801 lines"]),
    "header": ({"src/base/include/base/a.h":
                HEAD + "#ifndef BASE_A_H\n#define BASE_A_H\n" + "\n" * 600 + "#endif\n"},
               ["src/base/include/base/a.h:1: file of 607 lines"]),
    "guard": ({"src/base/include/base/a.h": HEAD + "int a(void);\n"},
              ["src/base/include/base/a.h:1: guard is missing"]),
    "guard_name": ({"src/base/include/base/a.h":
                    HEAD + "#ifndef A_H\n#define A_H\nint a;\n#endif\n"},
                   ["src/base/include/base/a.h:5: guard is named A_H"]),
    "todo": (host("f(); /* TO" "DO: later */"), ["src/host/h.c:7: unfinished"]),
    "todo_issue": (host("f(); /* TO" "DO(#3): later */"), []),
    "blob": ({"docs/big.txt": "x\n" * 40000}, ["docs/big.txt:1: blob of 80000 bytes"]),
    "binary": ({"docs/b.bin": "a\0b"}, ["docs/b.bin:1: binary"]),
    "dead": ({"src/host/old.c": HEAD + "int old;\n"}, ["src/host/old.c:1: dead file"]),
    "foreign": ({"docs/a.md": "see /ro" "ot/x and /ho" "me/me/y\n"},
                ["docs/a.md:1: path of one machine", "docs/a.md:1: path of one machine"]),
    "room": ({GRANT: SPDX + "theater_room(host SOURCES h.c)\n"},
             ["src/host/h.c:5: include of <base/a.h>"]),
    "room_upward": ({"src/base/a.c": HEAD + "#include <host/h.h>\nint a;\n"},
                    ["src/base/a.c:5: include of <host/h.h>"]),
    "no_room": ({"src/cli/CMakeLists.txt": SPDX + "add_executable(theater m.c)\n",
                 "src/cli/m.c": HEAD + "#include <base/a.h>\nint m;\n"},
                ["src/cli/m.c:5: include of <base/a.h>"]),
    "room_path": ({"src/host/h.c": HEAD + '#include "../base/a.h"\nint a;\n'},
                  ['src/host/h.c:5: include of "../base/a.h"']),
    "wasmtime": ({"src/host/h.c": HEAD + "#include <wasmtime.h>\nint a;\n"},
                 ["src/host/h.c:5: include of <wasmtime.h>"]),
    "table": ({"src/base/CMakeLists.txt": SPDX + "theater_room(base SOURCES a.c USES host)\n"},
              ["src/base/CMakeLists.txt:2: room base uses host"]),
    "table_row": ({"ARCHITECTURE.md": "| `src/host` | y | base | |\n"},
                  ["src/base/CMakeLists.txt:2: room base is not in"]),
}


def run(files):
    with tempfile.TemporaryDirectory() as root:
        for path, text in files.items():
            path = os.path.join(root, path)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        result = subprocess.run([sys.executable, TIDY, "--root", root], text=True,
                                capture_output=True, check=False)
    lines = result.stdout.splitlines()
    if result.stderr or result.returncode != (1 if lines else 0):
        lines.append("exit %d %s" % (result.returncode, result.stderr))
    return lines


def main():
    failed = 0
    for name, (over, expected) in CASES.items():
        found = run({**SOUND, **over})
        if len(found) != len(expected) or \
                not all(f.startswith(e) for f, e in zip(found, expected)):
            failed += 1
            print("%s: expected %s, found %s" % (name, expected, found))
    print("%d cases, %d failed" % (len(CASES), failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
