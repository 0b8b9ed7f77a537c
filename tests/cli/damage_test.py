#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Damages one chain in every place and looks what `theater verify` says.

    damage_test.py THEATER EXAMPLE_GUESTS

Every byte of an exported chain is flipped, every length is cut, two events are swapped, and an
event of another actor is put in. Every answer is exit 5, but "unanchored" for a cut on an event's
border. Then bytes of the stored log itself are flipped, every one of them with THEATER_TEST_LONG.
"""
import json
import os
import subprocess
import sys
import tempfile

ID = "00000000-0000-4000-8000-00000000000%d"


def theater(program, *words):
    result = subprocess.run([program, *words], capture_output=True, text=True, check=False,
                            stdin=subprocess.DEVNULL, timeout=60)
    return result.returncode, result.stdout, result.stderr


class Bench:
    def __init__(self, program, scratch):
        self.program = program
        self.path = os.path.join(scratch, "damaged.chain")
        self.failures = 0

    def verify(self, data, *words):
        with open(self.path, "wb") as file:
            file.write(data)
        return theater(self.program, "verify", *words, self.path)

    def expect(self, holds, what, answer):
        if not holds:
            self.failures += 1
            print("%s: status %d, %s%s" % (what, answer[0], answer[1], answer[2]))


def make_chain(program, scratch, guests, number):
    store = "log:" + os.path.join(scratch, "store")
    status, out, err = theater(program, "run", "--clock", "virtual", "--json", "--store", store,
                               "--id", ID % number, "--invoke", "run", "--args", "[40]",
                               os.path.join(guests, "sleep.wat"))
    if status != 0:
        sys.exit("run ends with %d: %s%s" % (status, out, err))
    path = os.path.join(scratch, "%d.chain" % number)
    status, _, err = theater(program, "chain", "export", "--store", store, "--output", path,
                             ID % number)
    if status != 0:
        sys.exit("export ends with %d: %s" % (status, err))
    with open(path, "rb") as file:
        return file.read(), json.loads(out)


def borders_of(bench, data):
    """Lengths at which a cut chain is still intact: the ends of its events."""
    borders = []
    for size in range(len(data)):
        answer = bench.verify(data[:size])
        if answer[0] == 0:
            borders.append(size)
            bench.expect("unanchored" in answer[1], "cut to %d bytes" % size, answer)
        else:
            bench.expect(answer[0] == 5, "cut to %d bytes" % size, answer)
    return borders + [len(data)]


def flip_stored(bench, scratch):
    """Bytes of the log in which the actor lives; verify reads it without trust."""
    store = os.path.join(scratch, "store")
    logs = sorted(name for name in os.listdir(store) if name.endswith(".log"))
    path = os.path.join(store, logs[0])
    with open(path, "rb") as file:
        data = file.read()
    # A step that is no divisor of the sizes of headers, so that no field is always passed over.
    step = 1 if os.environ.get("THEATER_TEST_LONG") else 7
    flipped = range(0, len(data), step)
    for at in flipped:
        with open(path, "r+b") as file:
            file.seek(at)
            file.write(bytes([data[at] ^ 1 << at % 8]))
        answer = theater(bench.program, "verify", "--store", "log:" + store, ID % 1)
        named = answer[1].startswith("damaged: event ")
        bench.expect(answer[0] == 5 and named, "byte %d of the log flipped" % at, answer)
        with open(path, "r+b") as file:
            file.seek(at)
            file.write(data[at:at + 1])
    answer = theater(bench.program, "verify", "--store", "log:" + store, ID % 1)
    bench.expect(answer[0] == 0, "the log as it was", answer)
    return len(flipped)


def main():
    program, guests = sys.argv[1:3]
    os.environ["XDG_CACHE_HOME"] = os.path.normpath(
        os.path.join(os.path.dirname(os.path.abspath(program)), "..", "golden-cache"))
    with tempfile.TemporaryDirectory(prefix="theater-damage-") as scratch:
        bench = Bench(program, scratch)
        data, told = make_chain(program, scratch, guests, 1)
        stored = flip_stored(bench, scratch)
        other, _ = make_chain(program, scratch, guests, 2)
        answer = bench.verify(data, "--head", told["head"])
        bench.expect(answer[0] == 0 and "anchored" in answer[1], "undamaged", answer)
        for at in range(len(data)):
            answer = bench.verify(data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1:])
            named = answer[1].startswith("damaged: event ") or answer[2] != ""
            bench.expect(answer[0] == 5 and named, "byte %d flipped" % at, answer)
        borders = borders_of(bench, data)
        bench.expect(len(borders) >= told["events"], "%d borders" % len(borders), answer)
        for size in borders[:-1]:
            answer = bench.verify(data[:size], "--head", told["head"])
            bench.expect(answer[0] == 5, "cut to %d bytes, with the head" % size, answer)
        ends = borders[-told["events"]:]
        first, second, third = ends[1], ends[2], ends[3]
        swapped = data[:first] + data[second:third] + data[first:second] + data[third:]
        answer = bench.verify(swapped)
        bench.expect(answer[0] == 5 and "event 2" in answer[1], "two events swapped", answer)
        answer = bench.verify(data[:first] + data[second:])
        bench.expect(answer[0] == 5 and "event 2" in answer[1], "an event taken out", answer)
        answer = bench.verify(data[:second] + data[first:second] + data[second:])
        bench.expect(answer[0] == 5 and "event 3" in answer[1], "an event doubled", answer)
        answer = bench.verify(data[:first] + other[first:second] + data[second:])
        bench.expect(answer[0] == 5 and "event 2" in answer[1], "an event of another actor", answer)
        print("%d bytes flipped, %d in the store, %d cuts, %d events; %d wrong answers"
              % (len(data), stored, len(data), told["events"], bench.failures))
        return 1 if bench.failures or len(data) < 200 else 0


if __name__ == "__main__":
    sys.exit(main())
