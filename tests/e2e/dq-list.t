#!/usr/bin/env python3
"""dq-list: what it says of each kind of job, and that it leaves all alone."""
import json
import os
import socket
import subprocess
import sys
import time

sys.path.insert(0, "tests/e2e/lib")
from dirqueue import (BUILD, DEAD_PID, DEADLINE_S, Top, done,  # noqa: E402
                      equal, files, ok)

PROGRAM = BUILD + "/dq-list"
HOST = socket.gethostname()


def run(*arguments):
    result = subprocess.run([PROGRAM, "--dir", "q", *arguments], check=False,
                            capture_output=True, timeout=DEADLINE_S,
                            env={**os.environ, "TZ": "UTC0"})
    return result.returncode, result.stdout, result.stderr


def put(name, text=None, directory="queue", meta=b""):
    os.makedirs("q/" + directory, exist_ok=True)
    os.makedirs("q/data/a/b", exist_ok=True)
    with open("q/data/a/b/x", "wb") as f:
        f.write(b"123456789")
    if text is None:
        text = (b"QDFN: /q/data/a/b/x\nQDSB: 9\nQSTT: 1795218323\n"
                b"QSTM: 195772\nQSHN: vm\n" + meta)
    with open(f"q/{directory}/{name}", "wb") as f:
        f.write(text)


def lock(name, text):
    put(name, text.encode(), "active")


def test_text():
    for name in ("50.3", "07.1", "50.2", "99.4"):
        put(name)
    put("foo")
    os.mkdir("q/queue/9dir")
    os.symlink("50.3", "q/queue/10.x")
    lock("50.2", f"{HOST}\n{os.getpid()}\n")
    lock("50.3", f"{HOST}\n{DEAD_PID}\n")
    before = files("q")
    code, out, err = run()
    equal((code, err), (0, b""), "a list")
    when = b"Fri Nov 20 23:45:23 2026 on vm\n"
    equal(out, b"Jobs: active: 2  queued: 2\n\nactive:\n"
          b"- ACTIVE 1: (pid: %d@%s)\n  50.2 (9 bytes)\n  Submitted: %s"
          b"- ACTIVE 2: (dead lockfile)\n  50.3 (9 bytes)\n  Submitted: %s"
          b"\nqueued:\n- 1: 07.1 (9 bytes)\n  Submitted: %s"
          b"- 2: 99.4 (9 bytes)\n  Submitted: %s\n"
          % (os.getpid(), HOST.encode(), when, when, when, when),
          "as IPC::DirQueue's program prints it")
    equal(run("-c")[1], b"Jobs: active: 2  queued: 2\n", "-c")
    equal(run("--null")[1], b"".join(
        b"q/queue/" + name + b"\0" for name in (b"07.1", b"50.2", b"50.3",
                                                b"99.4")), "--null")
    equal(run("--state", "active", "--null")[1],
          b"q/queue/50.2\0q/queue/50.3\0", "--state active")
    equal(files("q"), before, "nothing is made, nothing is changed")


def test_damaged():
    put("50.1", b"QDFN: /q/x\nQDSB: 9")
    put("50.2", b"")
    put("50.3", b"nothing: of ours\n")
    put("50.4", b"QDFN: /q/x\n" + b"k: v\n" * 300000)
    put("50.5\x1b[2J")
    code, out, _ = run()
    equal(code, 0, "damaged jobs: exit 0")
    ok(out.startswith(b"Jobs: active: 0  queued: 1\n"), "they do not count")
    ok(b"damaged:\n- 1: 50.1 (cut short)\n" in out, "they are listed", )
    equal(out.count(b"\n- "), 5, "each of them")
    ok(b"50.5\\x1b[2J" in out and b"\x1b" not in out,
       "a name does nothing to a terminal")


def test_damaged_data():
    os.makedirs("q/data/a/b/directory")
    os.symlink("x", "q/data/a/b/link")
    for name, path, size, reason in (
            ("1", "/q/data/a/b/gone", 9, "data file is gone"),
            ("2", "/q/data/a/b/x", 10, "data file cut short"),
            ("3", "/etc/passwd", 1, "data file not in the queue"),
            ("4", "/q/data/a/b/link", 9, "data file is a symbolic link"),
            ("5", "/q/data/a/b/directory", 1, "data file is no regular file"),
            ("6", "/q/data/a/b/x", 8, None)):
        put(name, b"QDFN: %s\nQDSB: %d\nk: v\n" % (path.encode(), size))
        out = run("--state", "damaged")[1].decode()
        if reason:
            ok(f"- {name}: {name} ({reason})\n" in out, reason)
    equal(run("-c")[1], b"Jobs: active: 0  queued: 1\n",
          "a data file that is longer can be taken")
    line = json.loads(run("--json", "--meta", "k=v")[1].splitlines()[0])
    equal((line["damage"], line["meta"]), ("data file is gone", {"k": "v"}),
          "--json: what can be read is there, too")
    os.mkdir("q/failed")
    for name in ("1", "2"):
        os.rename("q/queue/" + name, "q/failed/" + name)
    put("50.7", b"", "failed")
    equal(run("--state", "failed", "--null")[1],
          b"q/failed/1\0q/failed/2\0q/failed/50.7\0",
          "damaged jobs that were put aside are listed there")
    ok(b"failed:\n- 1: 1 (data file is gone)\n" in run("--state", "failed")[1],
       "with the reason")


def test_tries():
    """Why a job was put aside, without JSON."""
    put("001795218400.50.3", directory="deferred",
        meta=b"dq.tries: 2\ndq.last: 451 later\x1b\n")
    put("50.4", directory="failed",
        meta=b"dq.tries: 20\ndq.last: 451 x\ndq.failed: too many tries: 451 x\n")
    equal(run("--state", "deferred")[1].split(b" on vm\n")[1],
          b"  Tries: 2\n  Last answer: 451 later\\x1b\n"
          b"  Next try: Fri Nov 20 23:46:40 2026\n\n", "deferred: when, why")
    equal(run("--state", "failed")[1].split(b" on vm\n")[1],
          b"  Tries: 20\n  Failed: too many tries: 451 x\n\n", "failed: why")
    put("50.5", directory="odd.%s" % ("d" * 60),
        meta=b"dq.tries: 1\ndq.last: 550 no\n")
    odd = "odd." + "d" * 60
    equal(run("--state", odd)[1].split(b" on vm\n")[1],
          b"  Tries: 1\n  Last answer: 550 no\n\n", "dq-run's -r: why")
    equal(run("--state", odd, "--null")[1], b"q/%s/50.5\0" % odd.encode(),
          "... where")
    equal(json.loads(run("--state", odd, "--json")[1])["state"], odd, "... JSON")


def test_json():
    put("50.1", meta=b'k: "v\\"\nbad: \xff\x00\x01\nk2: one\nk2: two\n')
    put("50.2", b"")
    put("000000000005.50.3", directory="deferred", meta=b"dq.tries: 2\n")
    put("50.4", directory="failed")
    lines = [json.loads(line) for line in run("--json")[1].splitlines()]
    equal(lines[0], {"job": "50.1", "state": "queued", "bytes": 9,
                     "submitted": 1795218323, "host": "vm",
                     "data": "/q/data/a/b/x",
                     "meta": {"k": '"v\\"', "bad": "\xff\x00\x01",
                              "k2": "two"}}, "--json")
    equal((lines[1]["state"], "meta" in lines[1], len(lines)),
          ("damaged", False, 2), "--json: a damaged one")
    for state, name in (("deferred", "000000000005.50.3"), ("failed", "50.4")):
        lines = [json.loads(line)
                 for line in run("--json", "--state", state)[1].splitlines()]
        equal([(line["job"], line["state"]) for line in lines],
              [(name, state)], "--state " + state)


def test_filters():
    put("50.1", meta=b"ip: 192.0.2.1\n")
    put("50.2", meta=b"ip: 192.0.2.10\n")
    put("50.3", b"QDFN: /q/data/a/b/x\nQSTT: %d\n" % time.time())
    equal(run("--null", "--meta", "ip=192.0.2.1")[1], b"q/queue/50.1\0",
          "--meta")
    equal(run("-c", "--older", "3600", "--meta", "ip=192.0.2.10")[1],
          b"Jobs: active: 0  queued: 1\n", "two filters")
    equal(run("--null", "--older", "-1")[0], 100, "--older of nothing")


def test_many():
    for i in range(3000):
        put("50.%05d" % (i * 7919 % 3000))
    names = run("--null")[1].split(b"\0")[:-1]
    equal((len(names), names == sorted(names)), (3000, True),
          "3,000 jobs, in order")


def test_usage():
    for arguments in (("--nonsense",), ("x",), ("--state", "tmp"),
                      ("--state", "../q"), ("--state", ""), ("--meta", "x")):
        equal(run(*arguments)[0], 100, "wrong usage: " + " ".join(arguments))
    equal(run()[0], 111, "no such queue")
    os.mkdir("q")
    equal(run()[:2], (0, b"Jobs: active: 0  queued: 0\n\n"), "an empty one")
    equal(run("--state", "lost"),
          (100, b"", b"dq-list: fatal: no state of a job: lost, nor is that in "
           b"q\n"), "neither a state nor a directory")
    equal(run("--state", "failed")[0], 0, "that is not there yet")
    equal(os.listdir("q"), [], "it stays empty")
    bare = subprocess.run([PROGRAM, "q"], check=False, capture_output=True,
                          timeout=DEADLINE_S)
    equal(bare.stdout, run()[1], "without the word --dir")


def test_doubt():
    """A directory above queues looks as empty as a queue without jobs."""
    os.makedirs("above/q")
    os.makedirs("fresh/lost+found")
    for program in ("dq-list", "dq-stat", "dq-fsck", "dq-requeue -n",
                    "dq-expire -na9"):
        command = [BUILD + "/" + program.split()[0], *program.split()[1:]]
        said = [subprocess.run([*command, name], check=False, text=True,
                               capture_output=True, timeout=DEADLINE_S).stderr
                for name in ("above", "fresh", "above/q")]
        equal([" is no queue: " in text for text in said],
              [True, False, False], program + ": what can be no queue")
    for command in (["dq-requeue", "above"],
                    ["dq-requeue", "-t", "above", "fresh"],
                    ["dq-expire", "-a9", "above"], ["dq-fsck", "-y", "above"],
                    ["dq-deque", "--dir", "above", "cat"],
                    ["dq-server", "--dir", "above", "cat"],
                    ["dq-run", "above", "cat"]):
        done_ = subprocess.run([BUILD + "/" + command[0], *command[1:]],
                               check=False, capture_output=True,
                               timeout=DEADLINE_S)
        equal((done_.returncode, b"fatal: above is no queue" in done_.stderr),
              (100, True), " ".join(command) + ": nothing is done there")
    equal(os.listdir("above"), ["q"], "... nor made")


for test in (test_text, test_damaged, test_damaged_data, test_tries, test_json,
             test_filters, test_many, test_usage, test_doubt):
    with Top():
        test()
done()
