#!/usr/bin/env python3
"""connrate: so many connections of a network within so many seconds."""
import os
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
from smtptest import (BUILD, DEADLINE_S, done, folder,  # noqa: E402
                      is_same, ok, skip, wait_until)

REFUSED = (0, "421 4.7.0 Too many connections from your network, come later\n")
IN = (0, "in\n")


def run(*arguments, address="192.0.2.1", cwd="/", program=("echo", "in"),
        **more):
    env = {"PATH": BUILD + ":/bin:/usr/bin", **more}
    if address:
        env["TCPREMOTEIP"] = address
    p = subprocess.run(["connrate", *arguments, *program], cwd=cwd, text=True,
                       env=env, capture_output=True, timeout=DEADLINE_S)
    return p.returncode, p.stdout, p.stderr


def test_limit():
    at = folder()
    results = [run("-n", "3", cwd=at, address=f"192.0.2.{i}") for i in range(4)]
    is_same([r[:2] for r in results], [IN] * 3 + [REFUSED], "three of four")
    is_same(results[3][2], "connrate: refused ip=192.0.2.3 "
            "network=192.0.2.0/24 most=3 seconds=60\n", "the refusal is logged")
    is_same(run("-n", "3", cwd=at, address="::ffff:192.0.2.9")[:2], REFUSED,
            "in IPv6 form, too")
    is_same(run("-n", "3", cwd=at, address="192.0.3.1")[:2], IN,
            "another network")
    is_same(run("-n", "3", cwd=at, PROTO="SSL", SSLREMOTEIP="203.0.113.1")[:2],
            IN, "the PROTO's address")
    is_same(os.listdir(at + "/connrate"), ["last3"], "one file")
    os.unlink(at + "/connrate/last3")
    is_same(run("-n", "3", cwd=at)[:2], IN, "it may be removed")


def test_length():
    at = folder()
    options = ("-n", "1", "-4", "32", "-6", "48", "-d", "some")
    is_same([run(*options, cwd=at, address=a)[:2] == IN for a in
             ("192.0.2.1", "192.0.2.2", "192.0.2.1", "2001:db8:1:1::",
              "2001:db8:1:2::", "2001:db8:2::")],
            [True, True, False, True, False, True], "lengths by -4 and -6")


CLOCK_S = 0.05  # how far the clock may be set without that we see it


def clock_offset():
    return time.time() - time.monotonic()


def test_time():
    """As soon as the first of two is a second ago, one more may come, and one
    only: the second is younger."""
    at = folder()
    options = ("-n", "2", "-s", "1")
    offset = clock_offset()
    start = time.time()
    is_same(run(*options, cwd=at)[:2], IN, "the first")
    first = time.time()
    wait_until(lambda: time.time() > start + 0.6)
    second = time.time()
    is_same(run(*options, cwd=at)[:2], IN, "the second")
    tries = []

    def again():
        begin = time.time()
        result = run(*options, cwd=at)[:2]
        tries.append((begin, time.time(), result))
        return result == IN
    ok(wait_until(again), "one more after a second", tries)
    result = run(*options, cwd=at)[:2]
    is_late = time.time() > second + 1 - CLOCK_S
    if abs(clock_offset() - offset) > CLOCK_S / 2:
        skip("not before, and at once then", "the clock was set meanwhile")
        return
    is_same([r for _, end, r in tries
             if end < start + 1 - CLOCK_S and r != REFUSED], [],
            "not before")
    is_same([begin for begin, _, _ in tries[:-1]
             if begin > first + 1 + CLOCK_S], [], "and at once then")
    if not is_late:
        is_same(result, REFUSED, "refusals do not count")


def test_at_once():
    at = folder()
    results = []
    threads = [threading.Thread(
        target=lambda: results.append(run("-n", "7", cwd=at)[:2]))
        for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    is_same(results.count(IN), 7, "seven of thirty at once")


def test_trouble():
    at = folder()
    for wrong in (["-n", "0"], ["-n", "1001"], ["-s", "5"], ["-n", "1", "-x"],
                  ["-n", "1", "-s", "0"], ["-n", "1", "-s", "86401"],
                  ["-n", "1", "-4", "33"], ["-n", "1", "-6", "129"]):
        is_same(run(*wrong, cwd=at)[0], 100, "usage: " + " ".join(wrong))
    is_same(run("-n", "1", cwd=at, program=())[0], 100, "usage: no program")
    is_same(run("-n", "1000", "-s", "86400", cwd=at)[:2], IN, "the most")
    down = (111, "421 4.3.0 Service not available\n")
    is_same(run("-n", "1", "-d", "no/such", cwd=at)[:2], down, "no directory")
    is_same(run("-n", "1", "-d", "x" * 5000, cwd=at)[:2], down,
            "a name too long")
    result = run("-n", "1", cwd=at, program=("no-such-program",))
    is_same(result[:2], down, "no such program")
    result = run("-n", "1", address=None, cwd=at)
    is_same(result[:2], IN, "no address: let in")
    ok("warning: no address of the client" in result[2], "and logged")


test_limit()
test_length()
test_time()
test_at_once()
test_trouble()
done()
