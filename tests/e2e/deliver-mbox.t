#!/usr/bin/env python3
"""deliver-mbox: whole messages in an mbox that mail tools read, or nothing."""
import datetime
import fcntl
import mailbox
import os
import pty
import re
import resource
import select
import signal
import subprocess
import sys
import time

sys.path.insert(0, "tests/e2e/lib")
from dirqueue import (BUILD, DEAD_PID, DEADLINE_S, Sink, Top,  # noqa: E402
                      answers, done, equal, message, ok, skip, wait_for)

PROGRAM = BUILD + "/deliver-mbox"


def run(data, *arguments, prefix=(), **options):
    result = subprocess.run([*prefix, PROGRAM, *arguments], input=data,
                            capture_output=True, timeout=DEADLINE_S,
                            check=False, **options)
    return result.returncode, result.stdout, result.stderr.decode()


def answer(data, *arguments, **options):
    _, out, log = run(data, *arguments, **options)
    return answers(out)[-1][-1].decode(), log


def slurp(path):
    with open(path, "rb") as file:
        return file.read()


def put(path, data):
    with open(path, "wb") as file:
        file.write(data)


def unquoted(path):
    """The messages of an mboxrd file, from its definition."""
    parts = re.split(rb"(?:\A|\n)From \S+ \w{3} \w{3} [ \d]\d [\d:]{8} \d{4}\n",
                     slurp(path))
    return [re.sub(rb"(?m)^>(>*From )", rb"\1", part) for part in parts[1:]]


BODIES = [b"Subject: one\n\nFrom me\n>From you\n", b"Subject: two\n\n\n",
          b"Subject: three\n\n" + b"x" * 100000 + b"\n",
          b"Subject: four\n\n\0\xff\r\n>>>From \n"]


def test_messages():
    code, out, log = run(b"".join(message(body) for body in BODIES), "box")
    equal((code, out.count(b"\n250 2.6.0 delivered as box@"),
           log.count("delivered id=box@")), (0, 4, 4), "four messages")
    got = unquoted("box")
    equal(got[:-1] + [got[-1][:-1]], BODIES, "byte for byte")
    ok(slurp("box").startswith(b"From a@b ") and slurp("box").endswith(b"\n\n"),
       "a separator before, an empty line after")
    equal([m["Subject"] for m in mailbox.mbox("box", create=False)],
          ["one", "two", "three", "four"], "Python's mailbox reads it")
    equal((sorted(os.listdir(".")), oct(os.stat("box").st_mode & 0o7777)),
          (["box"], "0o600"), "nothing else, for its owner alone")
    if not os.path.exists("/usr/bin/mutt"):
        skip("mutt reads it", "no mutt")
        return
    screen = mutt("box")
    ok(b"Msgs:4" in screen and all(
        subject in screen for subject in (b"one", b"two", b"three", b"four")),
       "mutt reads it")


def mutt(box):
    """What mutt shows of a box; it wants a terminal."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(TERM="vt100", HOME=".")
        os.execv("/usr/bin/mutt", [
            "mutt", "-n", "-F", "/dev/null", "-R", "-f", box,
            "-e", "set folder=.", "-e", "push <exit>"])
    screen = b""
    try:
        while select.select([terminal], [], [], DEADLINE_S)[0]:
            screen += os.read(terminal, 65536)
        os.kill(pid, signal.SIGKILL)
    except OSError:  # it has ended
        pass
    os.waitpid(pid, 0)
    os.close(terminal)
    return screen


def test_names():
    before = datetime.datetime.now(datetime.timezone.utc)
    answer(message(b"x"), "a-%Y-%m-%d-%%")
    after = datetime.datetime.now(datetime.timezone.utc)
    ok(os.listdir(".")[0] in {day.strftime("a-%Y-%m-%d-%%")
                              for day in (before, after)}, "a file a day, UTC")
    zone = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
    before = datetime.datetime.now(zone)
    answer(message(b"x"), "-l", "h-%j-%H", env={"TZ": "XXX-5:30"})
    after = datetime.datetime.now(zone)
    ok(any(os.path.exists(hour.strftime("h-%j-%H"))
           for hour in (before, after)), "-l: local time")
    for sender, wanted in ((b"", b"MAILER-DAEMON"), (b'"a b"@c', b'"a-b"@c'),
                           (b"\xc3\xa4@c", b"--@c")):
        answer(message(b"x", sender), "box")
        equal(slurp("box").split()[1], wanted, "From " + wanted.decode())
        os.unlink("box")


def test_options():
    data = (b"MAIL FROM:<>\nRCPT TO:<a@b> NOTE=ham\nRCPT TO:<c@d>\n"
            b"BDAT 3 LAST\nabc")
    _, out, _ = run(data, "-n", "ham", "box")
    equal(out, b"MAIL FROM:<>\n250 2.1.5 ok\nRCPT TO:<c@d>\nBDAT 3\n"
          b"abcXNOTE queued=box@0\nBDAT 0 LAST\n", "-n: the others pass on")
    equal(answer(message(b"x"), "-a", "550 5.1.1 no", "box")[0],
          "550 5.1.1 no", "-a")
    equal(len(unquoted("box")), 2, "both are there")
    run(data, "-e", "kept")
    ok(slurp("kept").endswith(b"\nX-Original-To: a@b\nX-Original-To: c@d\n"
                              b"Return-Path: <>\nabc\n\n"), "-e")
    for arguments in ((), ("",), ("a", "b"), ("%x",), ("%",), ("-t", "0", "a"),
                      ("-t", "3601", "a"), ("-n", "a b", "a"), ("-x", "a")):
        equal(run(b"", *arguments)[0], 100, "usage: " + " ".join(arguments))


def test_advice():
    """Each failure says where, what was wrong, and what to do."""
    os.mkdir("directory")
    os.mkfifo("fifo")
    os.symlink("x", "link")
    with open("file", "wb"):
        pass
    plain = "give the path of a plain file"
    for path, error, advice in (
            ("directory", "Is a directory", plain),
            ("fifo", "use what is no regular file", plain),
            ("link", "symbolic links", plain),
            ("file/x", "Not a directory", "remove what stands there"),
            ("none/x", "No such file", "make the directory"),
            ("a" * 300, "too long", "use a shorter path")):
        _, log = answer(message(b"x"), path)
        ok(" path=" + path[:200] in log and error in log and
           'advice="' + advice in log, "advice: " + error)


def test_neighbours():
    for old, wanted in ((b"From a b\n\nx", b"From a b\n\nx\n\nFrom "),
                        (b"From a b\n\nx\n", b"From a b\n\nx\n\nFrom "),
                        (b"\n", b"\nFrom ")):
        put("box", old)
        answer(message(b"y"), "box")
        ok(slurp("box").startswith(wanted), "behind %r" % old)
    os.mkdir("directory")
    os.symlink("box", "link")
    os.mkfifo("fifo")
    for path in ("directory", "link", "fifo", "none/box"):
        last, log = answer(message(b"x"), path)
        ok(last.startswith("451 ") and "storage failed" in log, path + ": 451")
    equal(answer(message(b"x"), "-d", "none", "box")[0][:3], "451",
          "no spool directory: 451")


def is_at(one, path):
    """Whether it has this file open."""
    top = f"/proc/{one.process.pid}/fd/"
    for fd in os.listdir(top):
        try:
            if os.readlink(top + fd) == os.path.abspath(path):
                return True
        except FileNotFoundError:
            pass
    return False


def test_locks():
    put("box", b"")
    with open("box", "r+b") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        last, log = answer(message(b"x"), "-t", "1", "box")
        ok(last.startswith("451 ") and "see who holds its lock" in log,
           "fcntl: 451 after the time")
        one = Sink("box", program=PROGRAM)
        one.send(message(b"waits"))
        wait_for(lambda: is_at(one, "box"), "it comes to the lock")
        equal(slurp("box"), b"", "fcntl: waits")
        fcntl.lockf(file, fcntl.LOCK_UN)
    ok(one.answer(b"250") and one.answer(b"250"), "then goes on")
    put("box.lock", b"")
    equal(answer(message(b"x"), "-t", "1", "box")[0][:3], "451",
          "box.lock: 451 after the time")
    one.send(message(b"waits"))
    wait_for(lambda: is_at(one, "box"), "it comes to the lock")
    os.unlink("box.lock")
    ok(one.answer(b"250") and one.answer(b"250"), "box.lock gone: goes on")
    put("box.lock", b"")
    os.utime("box.lock", (time.time() - 301,) * 2)
    last, log = answer(message(b"x"), "box")
    ok(last.startswith("250 ") and "removed a lock" in log,
       "a box.lock of more than five minutes: removed")
    os.rename("box", "old")
    one.send(message(b"new"))
    ok(one.answer(b"250") and one.answer(b"250"), "rotated: a new file")
    equal((unquoted("box"), one.end()[0]), ([b"new\n\n"], 0), "... has it")
    with open("box", "r+b") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        one = Sink("box", program=PROGRAM)
        one.send(message(b"later"))
        wait_for(lambda: is_at(one, "box"), "it comes to the lock")
        os.rename("box", "older")
        put("box", b"")
    one.end()
    equal((unquoted("box"), unquoted("older")), ([b"later\n\n"],
                                                 [b"new\n\n"]),
          "rotated while it waited: the new file has it")
    with open("box", "r+b") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        one = Sink("box", program=PROGRAM)
        one.send(message(b"x"))
        wait_for(lambda: is_at(one, "box"), "it comes to the lock")
        one.process.send_signal(signal.SIGTERM)
        equal(one.end()[0], 111, "SIGTERM meanwhile: 111")


def test_writers():
    """Several at once: every message whole, none twice."""
    # None takes turns: one may have to wait for all the others' syncs.
    sinks = [Sink("-t", "3600", "box", program=PROGRAM) for _ in range(4)]
    for i, one in enumerate(sinks):
        one.send(b"".join(message(b"%d-%d " % (i, j) + b"y" * 9000 + b"\n")
                          for j in range(10)))
    equal([one.end()[0] for one in sinks], [0] * 4, "four writers")
    equal(sorted(m.split()[0] for m in unquoted("box")),
          sorted(b"%d-%d" % (i, j) for i in range(4) for j in range(10)),
          "40 messages")


def test_crash():
    """Killed in mid-append: the next one cuts."""
    host = os.uname().nodename.encode()
    whole = b"From a@b Sat Nov 21 07:28:38 2026\nx\n\n"
    def left(tail, length, pid=DEAD_PID, name=host):
        put("box", whole + tail)
        put("box.lock", b"%d %s %d\n" % (pid, name, length))
        last, log = answer(message(b"y\n"), "-t", "1", "box")
        return last[:3], "cut off" in log, unquoted("box")

    n = len(whole)
    equal(left(b"From a@b Sat N", n), ("250", True, [b"x\n", b"y\n\n"]),
          "an unfinished message is cut off")
    equal(left(b"From a@b Sat Nov 21 07:28:38 2026\n" + b"z" * 200000, n),
          ("250", True, [b"x\n", b"y\n\n"]), "a long one, too")
    equal(left(b"", n)[:2], ("250", False), "nothing there: nothing cut")
    equal(left(b"", n + 9)[:2], ("250", False), "the file is shorter")
    code, cut, got = left(whole + whole, n)
    equal((code, cut, len(got)), ("250", False, 4),
          "somebody else's message behind it: all is kept")
    equal(left(b"no message", n)[:2], ("250", False), "no message: kept")
    equal(left(b"From a@b Sat", n, name=b"elsewhere")[:2], ("451", False),
          "another host's lock is not ours to judge")
    os.unlink("box.lock")
    equal(left(b"From a@b Sat", n, pid=os.getpid())[:2], ("451", False),
          "nor that of a living process")
    os.unlink("box.lock")


def test_room():
    put("box", b"From a b\nold\n\n")

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))

    _, out, _ = run(message(b"x" * 4000) + message(b"y" * 4000) +
                    message(b"z\n"), "box", preexec_fn=limit)
    equal([a[-1][:3] for a in answers(out)], [b"250", b"452", b"250"],
          "no room for one: 452, the next one goes in")
    equal(len(unquoted("box")), 2, "and nothing is left of it")
    if subprocess.run(["strace", "-o", "/dev/null", "true"],
                      check=False).returncode:
        skip("faults", "strace cannot trace here")
        return
    old = slurp("box")
    for call, when, error in (("fsync", 1, "EIO"), ("fsync", 2, "EIO"),
                              ("fsync", 3, "EIO"), ("pwrite64", 1, "ENOSPC"),
                              ("write", 1, "ENOSPC"), ("pwrite64", 2, "EIO")):
        last, log = answer(message(b"n\n"), "box", prefix=(
            "strace", "-o", "trace", "-qq", "-e",
            f"inject={call}:error={error}:when={when}"))
        equal((last[:2], "storage failed" in log, slurp("box") == old,
               os.path.exists("box.lock")), ("45", True, True, False),
              f"{call} {when}: {error}: as it was")
    _, out, log = run(message(b"one\n") + message(b"two\n"), "box", prefix=(
        "strace", "-o", "trace", "-qq", "-e",
        "inject=unlink:error=EIO:when=1+2"))
    equal(([a[-1][:4] for a in answers(out)], "unable to remove the lock" in log,
           "cut off" in log), ([b"250 "] * 2, True, False),
          "the lock cannot be removed: answered, and said")
    ok(os.path.exists("box.lock"), "it is still there")
    last, log = answer(message(b"three\n"), "box")
    equal((last[:4], "cut off" in log, slurp("box").count(b"\n\nFrom ")),
          ("250 ", False, old.count(b"\n\nFrom ") + 3),
          "... as after a power cut: what was answered stays")
    put("box", old)
    run(message(b"n" * 200000), "box", prefix=(
        "strace", "-o", "trace", "-qq", "-e",
        "inject=write:signal=KILL:when=3"))
    ok(os.path.exists("box.lock") and len(slurp("box")) > len(old),
       "SIGKILL in mid-append leaves a part, and the lock")
    last, log = answer(message(b"n\n"), "box")
    ok(last.startswith("250 ") and "cut off" in log and
       slurp("box").startswith(old + b"From ") and
       re.search(rb" \d{4}\nn\n\n\Z", slurp("box")) and
       len(slurp("box")) < len(old) + 100, "the next one cuts it off")
    late = []
    for call in ("write", "fsync", "linkat", "unlink"):
        for when in range(1, 6):
            run(message(b"k\n"), "box", prefix=(
                "strace", "-o", "trace", "-qq", "-e",
                f"inject={call}:signal=KILL:when={when}"))
            last, _ = answer(message(b"n\n"), "-t", "1", "box")
            if not last.startswith("250 "):
                late.append(f"{call} {when}")
                os.unlink("box.lock")
    equal(late, [], "SIGKILL anywhere: the next one need not wait")


for test in (test_messages, test_names, test_options, test_advice,
             test_neighbours,
             test_locks, test_writers, test_crash, test_room):
    with Top():
        test()
done()
