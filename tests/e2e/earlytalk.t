#!/usr/bin/env python3
"""earlytalk: who speaks before the greeting is noted or refused; not a byte of
what he says is lost."""
import os
import re
import socket
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
from smtptest import (DEADLINE_S, Client, Trap, done,  # noqa: E402
                      is_same, ok)

SHOW = ("sh", "-c", 'echo "note=${XNOTE_earlytalk-none}"; cat')


def start(trap, *options, program=SHOW):
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(
        ["earlytalk", *options, *program], cwd=trap.dir, stdin=theirs,
        stdout=theirs, stderr=trap.log_file, env=trap.environment())
    theirs.close()
    ours.settimeout(DEADLINE_S)
    return Client(ours, process)


def test_quiet():
    trap = Trap()
    for wait in ("0.3", "1"):
        began = time.monotonic()
        client = start(trap, "-w", wait)
        is_same(client.receive(), b"note=none\n", f"{wait}: no note")
        took = time.monotonic() - began
        ok(float(wait) <= took < 30, "after the wait", took)
        client.send(b"x")
        is_same(b"".join(client.finish()), b"x", "what he says then is heard")
    is_same(trap.log(), "", "nothing is logged")


def test_early():
    trap = Trap()
    began = time.monotonic()
    client = start(trap, "-w", "60")
    client.send(b"EHLO x\r\n\0\xff")
    text = b"".join(client.finish()).decode("latin-1")
    took = time.monotonic() - began
    ok(took < 30, "an early client need not wait", took)
    note, _, rest = text.partition("\n")
    ok(note.startswith("note=") and 0 <= float(note[5:]) < 30, "a note", text)
    is_same(rest, "EHLO x\r\n\0\xff", "not a byte is lost")
    ok(trap.log().startswith("earlytalk: early ip=192.0.2.7 seconds=") and
       trap.log().endswith(' text="EHLO x\\x0d\\x0a\\x00\\xff"\n'), "logged",
       trap.log())
    trap.clear()
    client = start(trap, "-w", "60")
    client.send(b"x" * 1000)
    client.finish()
    ok(trap.log().endswith(" text=" + "x" * 64 + "\n"), "64 bytes of it",
       trap.log())


def test_secret():
    trap = Trap()
    client = start(trap, "-w", "60")
    client.send(b"EHLO x\r\nAUTH PLAIN AGJvYgBzZWNyZXQ=\r\n")
    client.finish()
    ok(trap.log().endswith('text="EHLO x\\x0d\\x0aAUTH"\n'),
       "no password is logged", trap.log())


def test_refuse():
    trap = Trap()
    client = start(trap, "-r", "-w", "60")
    client.send(b"EHLO x\r\n")
    is_same(client.receive(), b"554 5.5.1 You spoke before the greeting\r\n",
            "refused")
    client.close()
    is_same(client.process.returncode, 0, "without a failure")
    ok(trap.log().startswith("earlytalk: refused ip=192.0.2.7"), "logged")
    is_same(start(trap, "-r", "-w", "0.1").receive(), b"note=none\n",
            "who waits is not")


def test_gone():
    trap = Trap()
    client = start(trap, "-w", "60")
    is_same(client.finish(), [], "who is gone costs no program")
    is_same(client.process.returncode, 0, "nor is that a failure")
    ok(trap.log().startswith("earlytalk: gone ip=192.0.2.7 seconds="), "logged")


def test_pipe():
    trap = Trap()
    p = subprocess.run(["earlytalk", "-w", "60", *SHOW], input=b"hi\n",
                       capture_output=True, env=trap.environment(),
                       timeout=DEADLINE_S, cwd=trap.dir)
    ok(re.fullmatch(rb"note=\d+\.\d{3}\nhi\n", p.stdout), "in a pipe, too",
       p.stdout)
    ok(b"text=" not in p.stderr, "but for the text", p.stderr)


def test_trap():
    """The note is in the job."""
    trap = Trap()
    client = start(trap, "-w", "60", program=("trap-smtpd",))
    client.send(b"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"
                b"Subject: x\r\n\r\nx\r\n.\r\nQUIT\r\n")
    client.finish()
    jobs = trap.jobs()
    is_same(len(jobs), 1, "a job")
    ok(b"." in jobs[0].meta.get("earlytalk", b""), "has the note",
       jobs[0].meta)


def test_usage():
    trap = Trap()
    for wrong in (["-w", "0"], ["-w", "601"], ["-w", "600.001"], ["-w", "1."],
                  ["-w", ".5"], ["-w", "0.0001"], ["-w", "1x"], ["-x"]):
        client = start(trap, *wrong)
        client.close()
        is_same(client.process.returncode, 100, "usage: " + " ".join(wrong))
    client = start(trap, program=())
    client.close()
    is_same(client.process.returncode, 100, "usage: no program")
    for right in ("600", "0.001", "599.999"):
        client = start(trap, "-w", right, program=("true",))
        client.finish()
        is_same(client.process.returncode, 0, f"-w {right}")
    client = start(trap, "-w", "0.001", program=("no-such-program",))
    is_same(b"".join(client.finish(hang_up=False)),
            b"421 4.3.0 Service not available\r\n", "no such program")


test_quiet()
test_early()
test_secret()
test_refuse()
test_gone()
test_pipe()
test_trap()
test_usage()
done()
