#!/usr/bin/env python3
"""A signal while a message is being stored: it is finished and answered, and
then the program ends; nothing is stored that was not answered."""
import os
import subprocess
import sys

sys.path.insert(0, "tests/e2e/lib")
from dirqueue import (BUILD, DEADLINE_S, Top, answers, done,  # noqa: E402
                      equal, jobs, message, ok, skip)

INNER = b"Subject: in\n\nbody\n"
OUTER = (b"Subject: fwd\nMIME-Version: 1.0\nContent-Type: multipart/mixed;"
         b' boundary="b"\n' + b"".join(
             b"\n--b\nContent-Type: message/rfc822\n\n" + INNER
             for _ in range(2)) + b"\n--b--\n")


def run(program, arguments, data, call, when):
    """With SIGTERM at that call."""
    result = subprocess.run(
        ["strace", "-qq", "-o", "trace", "-e", f"trace={call}", "-e",
         f"inject={call}:signal=TERM:when={when}", BUILD + "/" + program,
         *arguments], input=data, capture_output=True, timeout=DEADLINE_S,
        check=False, env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
    with open("trace", encoding="latin-1") as trace:
        hit = "SIGTERM" in trace.read()
    return result.returncode, result.stdout, hit


def stored(program):
    if program == "deliver-mbox":
        with open("at/box", "rb") as file:
            return file.read().count(b"From ")
    if program == "deliver-maildir":
        ok(not os.listdir("at/tmp"), "... nothing in tmp")
        return len(os.listdir("at/new"))
    return len(jobs("at"))


def test_sinks():
    for program, place, calls, body, count in (
            ("deliver-dirqueue", "at", {"linkat": 2, "unlinkat": 2}, b"x\n", 1),
            ("deliver-maildir", "at", {"linkat": 1, "unlinkat": 1}, b"x\n", 1),
            ("deliver-mbox", "at/box", {"fsync": 1}, b"x\n", 1),
            ("unwrap", "at", {"linkat": 4, "unlinkat": 4}, OUTER, 2)):
        for call, most in calls.items():
            for when in range(1, most + 1):
                with Top():
                    os.mkdir("at")
                    subprocess.run([BUILD + "/" + program, place],
                                   input=message(body), check=True,
                                   stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
                    before = stored(program)
                    code, out, hit = run(program, [place], message(body) +
                                         message(b"next\n"), call, when)
                    equal((hit, code, [a[-1][:3] for a in answers(out)],
                           stored(program) - before), (True, 111, [b"250"], count),
                          f"{program}: SIGTERM at {call} {when}: stored, "
                          "answered, ended")


def test_submit():
    for call, when in (("linkat", 1), ("linkat", 2), ("unlinkat", 1)):
        with Top():
            os.mkdir("q")
            for name in ("one", "two", "three"):
                with open(name, "w", encoding="ascii") as file:
                    file.write(name)
            subprocess.run([BUILD + "/dq-submit", "--dir", "q", "one"],
                           check=True, stdout=subprocess.DEVNULL)
            code, out, hit = run("dq-submit", ["--dir", "q", "one", "two",
                                               "three"], b"", call, when)
            equal((hit, code, out, len(jobs("q"))),
                  (True, 111, b"enqueued: one\n", 2),
                  f"dq-submit: SIGTERM at {call} {when}: that file, and no more")


if subprocess.run(["strace", "-o", "/dev/null", "true"],
                  check=False).returncode:
    skip("a signal in a commit", "strace cannot trace here")
else:
    test_sinks()
    test_submit()
done()
