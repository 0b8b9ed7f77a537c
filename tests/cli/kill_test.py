#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 at the worst moments, and what `theater resume` makes of it.

    kill_test.py THEATER EXAMPLE_GUESTS TEST_GUESTS [SEED]

Real processes, real sleeps, a real disk: this is the one place where the whole promise is tested
and not a simulation of it. Moments are drawn from a seed, which is printed first and can be given
again.
"""
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import uuid

# The promise is 20 ms on an idle machine, and what was seen is printed. The tests share their
# machine with a compiler, other tests and sanitizers, where a process can wait longer for its turn.
LATE_MS_MAX = 1500
# A boot id that is not this machine's.
OTHER_BOOT = "11111111-2222-4333-8444-555555555555"
COMMAND_SECONDS_MAX = 60
KILLS = 10
# Kills of a process that runs several actors, while another one looks at them.
WITNESSED_KILLS = 25
WITNESSED_ACTORS = 6


class Place:
    """A fresh state directory, and theater in it."""

    def __init__(self, theater, scratch):
        self.theater = theater
        self.started = []
        self.env = dict(os.environ, XDG_STATE_HOME=scratch)
        cache = os.path.join(os.path.dirname(os.path.abspath(theater)), "..", "golden-cache")
        self.env["XDG_CACHE_HOME"] = os.path.normpath(cache)
        self.env.pop("THEATER_TEST_BOOT_ID", None)

    def start(self, *words, boot=None):
        env = dict(self.env, THEATER_TEST_BOOT_ID=boot) if boot else self.env
        process = subprocess.Popen([self.theater, *words], env=env, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.started.append(process)
        return process

    def stop(self):
        """Ends what a failed test left."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.wait()

    def run(self, *words, boot=None, status=0):
        process = self.start(*words, boot=boot)
        out, err = process.communicate(timeout=COMMAND_SECONDS_MAX)
        check(process.returncode == status, "'theater %s' ends with %d instead of %d: %s%s"
              % (" ".join(words), process.returncode, status, out, err))
        return out

    def actors(self):
        return [json.loads(line) for line in self.run("ps", "--json").splitlines()]

    def wait_until_asleep(self, count=1):
        end = time.monotonic() + COMMAND_SECONDS_MAX
        while sum(actor["state"] == "asleep" for actor in self.actors()) < count:
            check(time.monotonic() < end, "no actor fell asleep: %s" % self.actors())

    def events(self, actor, *where):
        lines = self.run("chain", "show", "--json", *where, actor).splitlines()
        return [json.loads(line) for line in lines]


def check(holds, words):
    if not holds:
        raise AssertionError(words)


def kill_after(process, seconds):
    """kill -9 after so long; what the process had written by then."""
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
    out, _ = process.communicate()
    return out


def check_chain(place, actor, waits, store=None):
    """One line of events: each wait ended once, one return, one end, and it verifies."""
    where = ["--store", store] if store else []
    out = place.run("verify", *where, actor)
    check(out.startswith("intact"), out)
    events = place.events(actor, *where)
    numbers = sorted({event["seq"] for event in events})
    check(numbers == list(range(len(numbers))), "numbers: %s" % numbers)
    kinds = [event["kind"] for event in events]
    check(kinds.count("wait") == waits and kinds.count("completion") == waits, kinds)
    check(kinds.count("call") == 1 and kinds.count("return") == 1, kinds)
    check(kinds.count("end") == 1 and kinds[-1] == "end", kinds)
    by_seq = {event["seq"]: event for event in events}
    for event in events:
        if event["kind"] == "completion":
            wait = by_seq[event["request"]]
            late_ms = event["wall"] - (wait["wall"] + wait["duration_ms"])
            check(late_ms >= -1, "it woke %d ms early" % -late_ms)
            print_late(late_ms, event["late_ns"])
    return events


def print_late(wall_ms, late_ns):
    print("    wake: %d ms late by the wall, %.3f ms by its event" % (wall_ms, late_ns / 1e6))


def last(events, kind):
    found = [event for event in events if event["kind"] == kind]
    return found[-1] if found else None


def test_kill_in_the_middle(place, guests, _tests, dice):
    actor = str(uuid.UUID(int=dice.getrandbits(128), version=4))
    process = place.start("run", "--id", actor, "--invoke", "run", "--args", "[1500]",
                          os.path.join(guests, "sleep.wat"))
    place.wait_until_asleep()
    check(kill_after(process, dice.uniform(0.1, 0.9)) == "", "a killed run printed a result")
    out = place.run("resume")
    result = json.loads(out.removeprefix(actor + " "))
    check(result["ok"] >= 1500, "it slept %s ms" % result)
    check(place.run("resume") == "", "the result was shown twice")
    events = check_chain(place, actor, 1)
    late_ms = last(events, "completion")["late_ns"] / 1e6
    check(late_ms < LATE_MS_MAX, "%.1f ms late" % late_ms)
    check(last(events, "rebase") is None, "the same boot was taken for another one")


def test_resume_after_the_due_time(place, guests, _tests, dice):
    actor = str(uuid.UUID(int=dice.getrandbits(128), version=4))
    process = place.start("run", "--id", actor, "--invoke", "run", "--args", "[400]",
                          os.path.join(guests, "sleep.wat"))
    place.wait_until_asleep()
    kill_after(process, 0.05)
    # By the clock that it sleeps on: a process may stand still between its readings of the two.
    due_ns = last(place.events(actor), "wait")["armed_ns"] + 400 * 1000000
    while boottime_ns() < due_ns + 300 * 1000000:
        pass
    started = time.monotonic()
    out = place.run("resume", actor)
    print("    resumed after its due time: %.0f ms" % ((time.monotonic() - started) * 1000))
    check(json.loads(out)["ok"] >= 700, out)
    late_ms = last(check_chain(place, actor, 1), "completion")["late_ns"] / 1e6
    check(late_ms >= 300, "the lateness of %.1f ms is not recorded" % late_ms)


def test_another_boot(place, guests, _tests, dice):
    actor = str(uuid.UUID(int=dice.getrandbits(128), version=4))
    process = place.start("run", "--id", actor, "--invoke", "run", "--args", "[1500]",
                          os.path.join(guests, "sleep.wat"))
    place.wait_until_asleep()
    kill_after(process, 0.3)
    out = place.run("resume", actor, boot=OTHER_BOOT)
    check(json.loads(out)["ok"] >= 1500, out)
    events = check_chain(place, actor, 1)
    rebase = last(events, "rebase")
    check(rebase is not None, "no rebase event: %s" % [event["kind"] for event in events])
    print("    rebased: %d ms of 1500 were left" % rebase["remaining_ms"])
    check(0 < rebase["remaining_ms"] <= 1200, rebase)
    check(rebase["boot"].replace("-", "") == OTHER_BOOT.replace("-", ""), rebase)
    late_ms = last(events, "completion")["wall"] - last(events, "wait")["wall"] - 1500
    check(0 <= late_ms < LATE_MS_MAX, "%d ms late by the wall" % late_ms)


def test_another_boot_after_the_due_time(place, guests, _tests, dice):
    actor = str(uuid.UUID(int=dice.getrandbits(128), version=4))
    process = place.start("run", "--id", actor, "--invoke", "run", "--args", "[300]",
                          os.path.join(guests, "sleep.wat"))
    place.wait_until_asleep()
    kill_after(process, 0)
    due = last(place.events(actor), "wait")["wall"] + 300
    while time.time() * 1000 < due + 200:
        pass
    out = place.run("resume", actor, boot=OTHER_BOOT)
    check(json.loads(out)["ok"] >= 500, out)
    check_chain(place, actor, 1)


def test_ten_kills(place, _guests, tests, dice):
    actor = str(uuid.UUID(int=dice.getrandbits(128), version=4))
    process = place.start("run", "--json", "--id", actor, "--invoke", "pause", "--args", "[900]",
                          os.path.join(tests, "kit.wat"))
    place.wait_until_asleep()
    outputs = [kill_after(process, dice.uniform(0, 0.2))]
    for _ in range(KILLS - 1):
        process = place.start("resume", "--json")
        outputs.append(kill_after(process, dice.uniform(0.005, 0.2)))
    outputs.append(place.run("resume", "--json"))
    outputs.append(place.run("resume", "--json"))
    check(outputs[-1] == "", "shown again after it was acknowledged: %s" % outputs)
    shown = [json.loads(line) for out in outputs for line in out.splitlines()]
    check(len(shown) >= 1 and all(one["result"] == {"ok": 2} for one in shown), shown)
    check(len({one["seq"] for one in shown}) == 1, "two results: %s" % shown)
    print("    %d kills, shown %d times" % (KILLS, len(shown)))
    events = check_chain(place, actor, 2)
    check([event["kind"] for event in events].count("post") == 1, "logged more than once")
    check(place.run("verify", "--head", shown[0]["head"], actor).startswith("intact, anchored"), "")
    check(place.run("replay", actor, "--component", os.path.join(tests, "kit.wat"))
          .startswith("clean"), "it does not replay")


def look(place, store, told):
    """What `theater ps` says of the running host is durable: so many events with that head."""
    process = place.start("ps", "--json", "--store", store)
    out, _ = process.communicate(timeout=COMMAND_SECONDS_MAX)
    check(process.returncode == 0, "ps ends with %d" % process.returncode)
    for line in out.splitlines():
        actor = json.loads(line)
        seq, head = actor["head"].split(":")
        told.setdefault(actor["id"], {})[int(seq)] = head


def take_outputs(out, err, told, results):
    for line in out.splitlines():
        one = json.loads(line)
        seq, head = one["head"].split(":")
        told.setdefault(one["id"], {})[int(seq)] = head
        results.setdefault(one["id"], []).append((one["seq"], one["head"], one["result"]))
    for line in err.splitlines():
        one = json.loads(line) if line.startswith("{") else {}
        if "log" in one:
            told.setdefault(one["id"], {}).setdefault(one["seq"], None)


def test_kills_in_a_loop_before_a_witness(place, _guests, tests, dice):
    """Several actors in one process that is killed again and again. This process holds what was
    acknowledged, by `ps` while it ran and by its outputs: all of it is in the chains in the end."""
    store = "log:" + os.path.join(place.env["XDG_STATE_HOME"], "witnessed")
    kit = os.path.join(tests, "kit.wat")
    actors = [str(uuid.UUID(int=dice.getrandbits(128), version=4))
              for _ in range(WITNESSED_ACTORS)]
    told = {}
    results = {}
    for actor in actors:
        process = place.start("run", "--json", "--store", store, "--id", actor, "--invoke", "pause",
                              "--args", "[%d]" % dice.randrange(200, 1200), kit)
        end = time.monotonic() + COMMAND_SECONDS_MAX
        while actor not in told:
            check(time.monotonic() < end, "the actor was not seen")
            if os.path.exists(os.path.join(store[4:], "store.id")):
                look(place, store, told)
        process.kill()
        take_outputs(*process.communicate(), told, results)
    for _ in range(WITNESSED_KILLS):
        process = place.start("resume", "--json", "--store", store)
        end = time.monotonic() + dice.uniform(0.005, 0.15)
        while time.monotonic() < end and process.poll() is None:
            look(place, store, told)
        process.kill()
        take_outputs(*process.communicate(), told, results)
    take_outputs(place.run("resume", "--json", "--store", store), "", told, results)
    check(place.run("resume", "--json", "--store", store) == "", "something was shown again")
    heads = 0
    for actor in actors:
        check(len(set(map(repr, results[actor]))) == 1, "several ends: %s" % results[actor])
        events = check_chain(place, actor, 2, store)
        check([event["kind"] for event in events].count("post") == 1, "it logged more than once")
        hashes = {event["seq"]: event["hash"] for event in events}
        for seq, head in told[actor].items():
            check(seq in hashes, "event %d was acknowledged and is lost" % seq)
            check(head in (None, hashes[seq]), "event %d is not the acknowledged one" % seq)
            heads += 1
    print("    %d kills, %d acknowledged events found" % (WITNESSED_KILLS + len(actors), heads))
    check(heads > 2 * len(actors), "the witness saw next to nothing")


def test_a_process_that_was_paused(place, guests, _tests, dice):
    """Stopped over its due time and continued: it wakes then, once, and the chain says how late."""
    actor = str(uuid.UUID(int=dice.getrandbits(128), version=4))
    process = place.start("run", "--id", actor, "--invoke", "run", "--args", "[300]",
                          os.path.join(guests, "sleep.wat"))
    place.wait_until_asleep()
    process.send_signal(signal.SIGSTOP)
    due_ns = None # by the clock that it sleeps on: the event's wall is in whole ms
    while due_ns is None or boottime_ns() < due_ns + 300 * 1000000:
        waiting = last(place.events(actor), "wait")
        due_ns = waiting["armed_ns"] + 300 * 1000000
        check(last(place.events(actor), "completion") is None, "a stopped process woke somebody")
    process.send_signal(signal.SIGCONT)
    out, _ = process.communicate(timeout=COMMAND_SECONDS_MAX)
    check(json.loads(out)["ok"] >= 600, out)
    late_ms = last(check_chain(place, actor, 1), "completion")["late_ns"] / 1e6
    check(late_ms >= 300, "the lateness of %.1f ms is not recorded" % late_ms)


def test_many_are_resumed_together(place, guests, _tests, dice):
    actors = [str(uuid.UUID(int=dice.getrandbits(128), version=4)) for _ in range(5)]
    running = [place.start("run", "--id", actor, "--invoke", "run", "--args", "[1200]",
                           os.path.join(guests, "sleep.wat")) for actor in actors]
    place.wait_until_asleep(len(actors))
    for process in running:
        kill_after(process, 0)
    started = time.monotonic()
    lines = place.run("resume").splitlines()
    print("    %d actors in one process: %.0f ms" % (len(actors),
                                                     (time.monotonic() - started) * 1000))
    check(sorted(line.split()[0] for line in lines) == sorted(actors), lines)
    for actor in actors:
        check_chain(place, actor, 1)


def shard_of(actor, count):
    """docs/formats/log.md: CRC-32C of the id, modulo the number of shards."""
    crc = 0xffffffff
    for byte in uuid.UUID(actor).bytes:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return (crc ^ 0xffffffff) % count


def test_two_shards(place, guests, _tests, dice):
    actors = [str(uuid.UUID(int=dice.getrandbits(128), version=4)) for _ in range(8)]
    # Named by an id, so that what is looked for without --store is found there.
    store = "log:" + os.path.join(place.env["XDG_STATE_HOME"], "theater", actors[0])
    words = ["run", "--store", store, "--shards", "2", "--invoke", "run", "--args", "[1500]"]
    os.makedirs(store.removeprefix("log:"))
    for _ in range(KILLS):  # while the shards are made
        kill_after(place.start(*words, os.path.join(guests, "sleep.wat")), dice.uniform(0, 0.03))
    for actor in actors:
        process = place.start(*words, "--id", actor, os.path.join(guests, "sleep.wat"))
        while not any(one["id"] == actor and one["state"] == "asleep" for one in place.actors()):
            check(process.poll() is None, "the run has ended")
        kill_after(process, 0)
    started = {one["id"] for one in place.actors()}
    for shard in range(2):
        lines = place.run("ps", "--json", "--store", "%s/shard-%03d" % (store, shard)).splitlines()
        check(all(shard_of(json.loads(line)["id"], 2) == shard for line in lines), lines)
        print("    shard %d: %d actors" % (shard, len(lines)))
    outputs = [kill_after(place.start("resume", "--json", "--store", store),
                          dice.uniform(0.005, 0.3)) for _ in range(KILLS)]
    outputs.append(place.run("resume", "--json", "--store", store))
    check(place.run("resume", "--json", "--store", store) == "", "shown again")
    shown = [json.loads(line) for out in outputs for line in out.splitlines()]
    check({one["id"] for one in shown} == started, "%s of %s" % (shown, started))
    check(len({(one["id"], one["seq"]) for one in shown}) == len(started), "two results of one")
    for actor in actors:
        check_chain(place, actor, 1)


def test_terminate_and_go_on(place, guests, _tests, dice):
    actor = str(uuid.UUID(int=dice.getrandbits(128), version=4))
    process = place.start("run", "--id", actor, "--invoke", "run", "--args", "[1000]",
                          os.path.join(guests, "sleep.wat"))
    place.wait_until_asleep()
    process.terminate()
    out, err = process.communicate(timeout=COMMAND_SECONDS_MAX)
    check(process.returncode == 130 and out == "", "%d %s" % (process.returncode, out))
    check(err.splitlines()[-1].endswith("theater resume " + actor), err)
    check(json.loads(place.run("resume", actor))["ok"] >= 1000, "it slept too short")
    check_chain(place, actor, 1)


def test_terminate_while_nobody_takes_its_output(place, _guests, tests, dice):
    """stdout is a pipe that is full: a signal ends the write, and the result is kept."""
    actor = str(uuid.UUID(int=dice.getrandbits(128), version=4))
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(writer, True)
    process = subprocess.Popen([place.theater, "run", "--no-control", "--id", actor, "--invoke",
                                "number", "--args", "[7]", os.path.join(tests, "kit.wat")],
                               env=place.env, stdin=subprocess.DEVNULL, stdout=writer,
                               stderr=subprocess.PIPE)
    place.started.append(process)
    end = time.monotonic() + COMMAND_SECONDS_MAX
    # Until it is held in write(): its end is durable then, and it does nothing more. That `ps` sees
    # the end is not enough: it may be written and not synced yet.
    while not (any(a["state"] == "ended" for a in place.actors()) and is_writing(process.pid)):
        check(time.monotonic() < end and process.poll() is None, "it was not held")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=COMMAND_SECONDS_MAX)
    check(process.returncode == 4, "it ended with %d" % process.returncode)
    os.close(reader)
    os.close(writer)
    check(place.run("resume") == actor + " 7\n", "the result was not kept")


def is_writing(pid):
    """It is in write(1, ...): a call whose first argument is 1, if that may be seen."""
    try:
        with open("/proc/%d/syscall" % pid, encoding="ascii") as file:
            words = file.read().split()
        return len(words) > 1 and words[1] == "0x1"
    except PermissionError:
        return is_asleep(pid)


def boottime_ns():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def is_asleep(pid):
    """It waits for something, and not for its turn."""
    with open("/proc/%d/stat" % pid, encoding="ascii") as file:
        return file.read().rpartition(")")[2].split()[0] == "S"


def main():
    theater, guests, tests = sys.argv[1:4]
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else random.SystemRandom().getrandbits(32)
    print("seed %d" % seed, flush=True)
    dice = random.Random(seed)
    cases = [value for name, value in sorted(globals().items()) if name.startswith("test_")]
    failures = 0
    for case in cases:
        print(case.__name__, flush=True)
        with tempfile.TemporaryDirectory(prefix="theater-kill-") as scratch:
            place = Place(theater, scratch)
            try:
                case(place, guests, tests, dice)
            except (AssertionError, ValueError, TypeError, KeyError,
                    subprocess.TimeoutExpired) as failure:
                print("    FAILED: %s: %s" % (type(failure).__name__, failure), flush=True)
                failures += 1
            finally:
                place.stop()
    print("%d tests, %d failed" % (len(cases), failures))
    return 1 if failures or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
