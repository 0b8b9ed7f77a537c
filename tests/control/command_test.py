#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The command as a client of running hosts: ps, show, wake, cancel, and what the chain says of it.

    command_test.py THEATER EXAMPLE_GUESTS TEST_GUESTS
"""
import json
import os
import pwd
import socket
import subprocess
import sys
import tempfile
import time

COMMAND_SECONDS_MAX = 60
ACTOR = "00000000-0000-4000-8000-%012d"
LONG = "[3600000]"


def check(holds, words):
    if not holds:
        raise AssertionError(words)


class Place:
    """A directory with a store in it, and theater."""

    def __init__(self, theater, guests, tests, scratch):
        self.theater, self.guests, self.tests = theater, guests, tests
        self.scratch = scratch
        self.store = "log:" + os.path.join(scratch, "s")
        cache = os.path.join(os.path.dirname(os.path.abspath(theater)), "..", "golden-cache")
        self.env = dict(os.environ, XDG_STATE_HOME=os.path.join(scratch, "state"),
                        XDG_CACHE_HOME=os.path.normpath(cache))
        self.started = []

    def start(self, *words):
        process = subprocess.Popen([self.theater, *words], env=self.env, text=True,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        self.started.append(process)
        return process

    def run_actor(self, number, *words, guest=None, invoke="run", args=LONG):
        guest = guest or os.path.join(self.guests, "sleep.wat")
        process = self.start("run", "--store", self.store, "--id", ACTOR % number, "--invoke",
                             invoke, "--args", args, *words, guest)
        self.wait_for(number, "asleep", process)
        return process

    def run(self, *words, status=0):
        process = self.start(*words)
        out, err = process.communicate(timeout=COMMAND_SECONDS_MAX)
        check(process.returncode == status, "'theater %s' ends with %d instead of %d: %s%s"
              % (" ".join(words), process.returncode, status, out, err))
        return out if status == 0 else err

    def at(self, command, number, *words, status=0):
        return self.run(command, "--store", self.store, *words, ACTOR % number, status=status)

    def actors(self):
        process = self.start("ps", "--store", self.store, "--json")
        out, _ = process.communicate(timeout=COMMAND_SECONDS_MAX)
        # Before there is a store there is only an error.
        return {line["id"]: line for line in map(json.loads, out.splitlines()) if "id" in line}

    def wait_for(self, number, state, process=None):
        end = time.monotonic() + COMMAND_SECONDS_MAX
        while self.actors().get(ACTOR % number, {}).get("state") != state:
            check(process is None or process.poll() is None, "the host has ended")
            check(time.monotonic() < end, "actor %d is not %s" % (number, state))

    def events(self, number):
        out = self.run("chain", "show", "--store", self.store, "--json", ACTOR % number)
        return [json.loads(line) for line in out.splitlines()]

    def socket_path(self):
        return os.path.join(self.store[4:], "control.sock")

    def stop(self):
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.communicate()


def me(name=None):
    user = pwd.getpwuid(os.geteuid()).pw_name[:20]
    return "uid %d (%s)%s" % (os.geteuid(), user, ": " + name if name else "")


def test_look_and_wake(place):
    host = place.run_actor(1)
    shown = json.loads(place.at("show", 1, "--json", "--events", "2"))
    check(shown["running"] and shown["state"] == "asleep", shown)
    check(shown["resident"], "the host was not asked: %s" % shown)
    check(shown["call"] == {"export": "run", "args": [3600000]}, shown)
    check(shown["waits_in"] == {"function": "ntwk:theater/timing.sleep", "args": [3600000]}, shown)
    check([event["seq"] for event in shown["tail"]] == [2, 3], shown)
    text = place.at("show", 1)
    check("(in 59 min" in text and "run by a host" in text, text)
    woken = json.loads(place.at("wake", 1, "--json", "--by", "deploy"))
    check(woken["seq"] == 4 and woken["by"] == me("deploy"), woken)
    out, _ = host.communicate(timeout=COMMAND_SECONDS_MAX)
    check(host.returncode == 0 and "ok" in json.loads(out), out)
    event = place.events(1)[4]
    check(event["outcome"] == "woken" and event["by"] == me("deploy"), event)
    check(not os.path.exists(place.socket_path()), "the socket was left behind")


def test_cancel_wait_and_cancel(place):
    host = place.run_actor(1)
    check("wait cancelled at event 4" in place.at("cancel", 1, "--wait"), "no line")
    out, _ = host.communicate(timeout=COMMAND_SECONDS_MAX)
    check(host.returncode == 1, "status %d" % host.returncode)
    check(json.loads(out) == {"err": "Actor error: Operation channel closed"}, out)
    host = place.run_actor(2)
    check("ended at event 5 by " + me() in place.at("cancel", 2), "no line")
    _, err = host.communicate(timeout=COMMAND_SECONDS_MAX)
    check(host.returncode == 3 and "ended by " + me() in err, err)
    for number, last in ((1, "returned"), (2, "cancelled")):
        events = place.events(number)
        check(events[-1]["kind"] == "end" and events[-1]["reason"] == last, events[-1])
        place.run("verify", "--store", place.store, ACTOR % number)
        place.run("replay", "--store", place.store, "--component",
                  os.path.join(place.guests, "sleep.wat"), ACTOR % number)
    check("has ended" in place.at("cancel", 2, status=4), "an ended actor was cancelled")


def test_stale_socket_is_replaced(place):
    host = place.run_actor(1)
    host.kill()
    host.communicate()
    check(os.path.exists(place.socket_path()), "kill -9 left no socket")
    check(place.actors()[ACTOR % 1]["state"] == "asleep", "not read from the disk")
    shown = json.loads(place.at("show", 1, "--json"))
    check(not shown["running"], "a dead host was asked: %s" % shown)
    host = place.start("resume", "--store", place.store)
    end = time.monotonic() + COMMAND_SECONDS_MAX
    while not json.loads(place.at("show", 1, "--json"))["running"]:
        check(time.monotonic() < end, "the next host does not answer")
    check("woken at event 4" in place.at("wake", 1), "no line")
    out, _ = host.communicate(timeout=COMMAND_SECONDS_MAX)
    check(host.returncode == 0 and ACTOR % 1 in out, out)


def test_at_rest(place):
    host = place.run_actor(1)
    host.kill()
    host.communicate()
    check("woken at event 4 by " + me("night") in place.at("wake", 1, "--by", "night"), "no line")
    check(len(place.events(1)) == 5, "more than the one event: %s" % place.events(1))
    check(place.actors()[ACTOR % 1]["state"] == "running", place.actors())
    out = place.run("resume", "--store", place.store)
    check("ok" in out, out)
    check(place.events(1)[4]["by"] == me("night"), place.events(1))
    place.run("replay", "--store", place.store, "--component",
              os.path.join(place.guests, "sleep.wat"), ACTOR % 1)


def test_without_control(place):
    place.run_actor(1, "--no-control")
    check(not os.path.exists(place.socket_path()), "there is a socket")
    check(place.actors()[ACTOR % 1]["state"] == "asleep", "not read from the disk")
    check("in use by process" in place.at("wake", 1, status=4), "not said who has the store")


def test_stopped_host_is_not_waited_for(place):
    host = place.run_actor(1)
    host.send_signal(19)  # SIGSTOP
    began = time.monotonic()
    check(place.actors()[ACTOR % 1]["state"] == "asleep", "not read from the disk")
    check(time.monotonic() - began < 30, "it was waited for")
    host.send_signal(18)


def test_subscriber_hears_all_in_order(place):
    kit = os.path.join(place.tests, "kit.wat")
    host = place.run_actor(1, guest=kit, invoke="pause")
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(COMMAND_SECONDS_MAX)
    # A name for the socket that is short enough for an address.
    folder = os.open(os.path.dirname(place.socket_path()), os.O_RDONLY)
    client.connect("/proc/self/fd/%d/control.sock" % folder)
    os.close(folder)
    lines = client.makefile("r", encoding="utf-8")
    client.sendall(b'{"do":"subscribe"}\n')
    check(json.loads(lines.readline())["ok"], "no subscription")
    place.at("wake", 1)
    first = json.loads(lines.readline())
    check(first["event"] == "line" and first["id"] == ACTOR % 1, first)
    place.wait_for(1, "asleep", host)
    place.at("wake", 1)
    second = json.loads(lines.readline())
    check(second["event"] == "finished" and second["reason"] == "returned", second)
    check(second["seq"] > first["seq"], (first, second))
    check(lines.readline() == "", "the host ended, its socket did not")
    client.close()
    host.communicate(timeout=COMMAND_SECONDS_MAX)
    place.run("verify", "--store", place.store, "--head", second["head"], ACTOR % 1)


def main():
    theater, guests, tests = sys.argv[1:4]
    cases = [(name, case) for name, case in globals().items() if name.startswith("test_")]
    failures = 0
    for name, case in cases:
        with tempfile.TemporaryDirectory(prefix="theater-control-") as scratch:
            place = Place(theater, guests, tests, scratch)
            print(name, flush=True)
            try:
                case(place)
            except (AssertionError, OSError, ValueError, KeyError, IndexError,
                    subprocess.TimeoutExpired) as failure:
                print("    FAILED: %s: %s" % (type(failure).__name__, failure), flush=True)
                failures += 1
            finally:
                place.stop()
    print("%d tests, %d failed" % (len(cases), failures))
    return 1 if failures or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
