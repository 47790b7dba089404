#!/usr/bin/env python3
"""dq-submit: what becomes of files, and of what cannot be queued."""
import os
import signal
import subprocess
import sys

sys.path.insert(0, "tests/e2e/lib")
from dirqueue import (BUILD, DEADLINE_S, Top, done, equal, files,  # noqa: E402
                      jobs, ok, skip, wait_for)

PROGRAM = BUILD + "/dq-submit"


def run(*arguments, data=b""):
    result = subprocess.run([PROGRAM, *arguments], input=data, check=False,
                            capture_output=True, timeout=DEADLINE_S)
    return result.returncode, result.stdout, result.stderr


def bodies():
    return sorted(data for _, data in jobs("q").values())


def test_files():
    os.mkdir("q")
    contents = {"empty": b"", "small": b"Subject: x\n\nx\n",
                "binary": bytes(range(256)) * 257, "-dash": b"-"}
    for name, data in contents.items():
        with open(name, "wb") as f:
            f.write(data)
    code, out, err = run("--dir", "q", "empty", "small", "--priority", "7",
                         "binary", "--", "-dash")
    equal((code, out, err), (0, b"enqueued: empty\nenqueued: small\n"
                             b"enqueued: binary\nenqueued: -dash\n", b""),
          "four files, options between them")
    equal(bodies(), sorted(contents.values()), "as they are")
    equal({name[:3] for name in jobs("q")}, {"07."}, "with their priority")
    equal(len(files("q")), 8, "nothing else")


def test_root():
    """What root makes in another's queue is the other's."""
    if os.geteuid() != 0:
        return
    os.mkdir("q")
    os.chown("q", 1, 2)
    os.chmod("q", 0o2770)
    equal(run("--dir", "q", data=b"x")[0], 0, "root, in another's queue")
    equal({(status.st_uid, status.st_gid, status.st_mode & 0o7777)
           for folder, _, _ in os.walk("q")
           for status in [os.stat(folder)]}, {(1, 2, 0o2770)},
          "... makes directories that he can use")


def test_input():
    os.mkdir("q")
    code, out, _ = run("-dir=q", "--meta", "k k=v: =w", "-m", "empty=",
                       data=b"from a pipe")
    equal((code, out), (0, b""), "standard input")
    ((meta, data),) = jobs("q").values()
    equal((data, meta[b"k k"], meta[b"empty"]), (b"from a pipe", b"v: =w", b""),
          "with its metadata")
    equal(run("--dir", "q", "--expect-bytes", "4", data=b"five5")[0], 111,
          "more than was to come: 111")
    equal(run("--dir", "q", "--expect-bytes", "6", data=b"five5")[0], 111,
          "less: 111")
    equal(run("--dir", "q", "--expect-bytes", "5", data=b"five5")[0], 0,
          "as much: 0")
    equal(bodies(), [b"five5", b"from a pipe"], "only that is there")
    equal(len(files("q")), 4, "and nothing else")


def test_usage():
    os.mkdir("q")
    for arguments in ((), ("f",), ("--dir",), ("--dir", "q", "--nonsense"),
                      ("--dir", "q", "--priority", "100"),
                      ("--dir", "q", "--priority", "-1"),
                      ("--dir", "q", "--meta", "novalue"),
                      ("--dir", "q", "--meta", "=v"),
                      ("--dir", "q", "--meta", "Qabc=v"),
                      ("--dir", "q", "--meta", "a:b=v"),
                      ("--dir", "q", "--meta", "a=b\nc"),
                      ("--dir", "q", "--meta", "a=1", "--meta", "a=2"),
                      ("--dir", "q", "--expect-bytes", "x")):
        code, out, err = run(*arguments, data=b"x")
        equal((code, out, err[:11]), (100, b"", b"dq-submit: "),
              "wrong usage: " + " ".join(arguments).replace("\n", "LF"))
    equal(files("q"), [], "nothing is made")


def test_failures():
    code, out, err = run("--dir", "away", data=b"x")
    equal((code, out), (111, b""), "no such queue: 111")
    ok(b"make the directory" in err, "and what to do about it")
    os.mkdir("q")
    with open("good", "wb") as f:
        f.write(b"good")
    code, out, err = run("--dir", "q", "missing", ".", "good")
    equal((code, out), (111, b"enqueued: good\n"),
          "one file of three: only that is said to be there")
    equal((err.count(b"unable to read"), bodies()), (2, [b"good"]),
          "the others are named")
    equal(len(files("q")), 2, "no file of theirs is left")


def test_signal():
    os.mkdir("q")
    with subprocess.Popen([PROGRAM, "--dir", "q"],
                          stdin=subprocess.PIPE) as process:
        process.stdin.write(b"x" * 100000)
        process.stdin.flush()
        wait_for(lambda: os.path.isdir("q/tmp") and os.listdir("q/tmp"),
                 "a job in hand")
        process.send_signal(signal.SIGTERM)
        equal(process.wait(DEADLINE_S), 111, "SIGTERM in the middle: 111")
    equal(files("q"), [], "nothing is left")


def test_full():
    if not os.path.exists("/dev/full"):
        skip("standard output full", "no /dev/full")
        return
    os.mkdir("q")
    with open("f", "wb") as f:
        f.write(b"x")
    with open("/dev/full", "wb") as full:
        code = subprocess.run([PROGRAM, "--dir", "q", "f"], stdout=full,
                              stderr=subprocess.DEVNULL, check=False).returncode
    equal(code, 111, "standard output is full: 111")


for test in (test_files, test_root, test_input, test_usage, test_failures,
             test_signal, test_full):
    with Top():
        test()
done()
