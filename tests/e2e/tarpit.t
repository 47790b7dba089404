#!/usr/bin/env python3
"""tarpit: some clients wait for each answer, at most so many at once; what
they say and hear is the same."""
import os
import select
import signal
import socket
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
from smtptest import (DEADLINE_S, DEFAULT_CLIENT, Trap, done,  # noqa: E402
                      is_same, ok, wait_until)


def start(trap, *options, program=(), **more):
    """The trap behind a tarpit, or behind a program that does not run it."""
    return trap.connect(client={**DEFAULT_CLIENT, **more},
                        kind=socket.SOCK_STREAM,
                        prefix=("tarpit", *options, *program))


def timed(function, *arguments):
    began = time.monotonic()
    return function(*arguments), time.monotonic() - began


def is_slow(trap, *options, **more):
    """Whether a client would have to wait ten minutes for the greeting."""
    before = trap.log().count("slow")
    client = start(trap, *options, **more)
    seen = wait_until(lambda: trap.log().count("slow") > before or
                      is_readable(client, 0))
    ok(seen, "slow or greeted")
    slow = not is_readable(client, 0.1)
    is_same(trap.log().count("slow") - before, slow, "the log says which")
    if not slow:
        ok(client.reply().startswith(b"220"), "the greeting")
    client.close()
    return slow


def is_readable(client, seconds):
    return bool(select.select([client.socket], [], [], seconds)[0])


def test_slow():
    trap = Trap()
    began = time.monotonic()
    client = start(trap, "-s", "1")
    reply = client.reply()
    took = time.monotonic() - began
    for step in (None, lambda: client.say("EHLO client.example"),
                 lambda: client.say("MAIL FROM:<a@b>")):
        if step:
            reply, took = timed(step)
        ok(0.99 < took < 15, "a second for " + repr(reply[:30]), took)
    client.send(b"RCPT TO:<c@d>\r\nDATA\r\n")
    is_same(client.reply()[:3], b"250", "a recipient")
    is_same(client.reply()[:3], b"354", "a body")
    client.send(b"Subject: x\r\n\r\n" + b"0123456789\r\n" * 50000 + b".\r\n")
    is_same(client.reply()[:3], b"250", "half a megabyte")
    client.send(b"QUIT\r\n")
    is_same(client.reply()[:3], b"221", "the last answer is heard")
    is_same(client.receive(), b"", "and then the end")
    client.close()
    is_same(client.process.returncode, 0, "the program's exit code")
    is_same(len(trap.jobs()[0].sent()), 12 + 11 * 50000, "whole in the queue")
    ok(trap.log().startswith("tarpit: slow ip=192.0.2.7 seconds=1\n"), "logged")


def test_who():
    trap = Trap()
    is_same([is_slow(trap, TARPIT="600"), is_slow(trap),
             is_slow(trap, "-s", "600", TARPIT="0")], [True, False, False],
            "the rules say who")


def test_most():
    trap = Trap()
    held = [start(trap, "-n", "2", "-s", "600") for _ in range(2)]
    wait_until(lambda: trap.log().count("slow") == 2)
    ok(not is_slow(trap, "-n", "2", "-s", "600"), "the third does not wait")
    held[0].close()
    ok(is_slow(trap, "-n", "2", "-s", "600"), "in place of one it does")
    held[1].process.kill()
    held[1].process.wait()
    wait_until(lambda: not trap.processes())
    is_same(trap.processes(), [], "after kill -9 of us the program ends, too")


def test_gone():
    trap = Trap()
    client = start(trap, "-s", "600")
    wait_until(lambda: len(trap.processes()) == 2)
    client.socket.close()
    is_same(client.process.wait(DEADLINE_S), 0, "who hangs up ends both at once")
    is_same(trap.processes(), [], "no process is left")


def test_deaf():
    """Who takes nothing held a place for as long as he liked."""
    trap = Trap()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    theirs.setblocking(False)
    try:
        while True:
            theirs.send(b"x" * 4096)
    except BlockingIOError:
        theirs.setblocking(True)
    with subprocess.Popen(["tarpit", "-s", "1", "echo", "last"], cwd=trap.dir,
                          env=trap.environment(DEFAULT_CLIENT), stdin=theirs,
                          stdout=theirs, stderr=trap.log_file) as process:
        theirs.close()
        try:
            is_same(process.wait(DEADLINE_S), 0, "who takes nothing is hung up on")
        except subprocess.TimeoutExpired:
            process.kill()
            ok(False, "who takes nothing is hung up on")
    ours.close()


def test_stopped():
    """Stopped while an answer waits, which is the last: it is said late."""
    trap = Trap()
    said = os.path.join(trap.dir, "said")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with subprocess.Popen(["tarpit", "-s", "2", "sh", "-c",
                           "echo last; exec >said"], cwd=trap.dir,
                          env=trap.environment(DEFAULT_CLIENT), stdin=theirs,
                          stdout=theirs, stderr=trap.log_file) as process:
        theirs.close()
        wait_until(lambda: os.path.exists(said))
        time.sleep(0.2)  # it is to have taken that
        process.send_signal(signal.SIGSTOP)
        time.sleep(7.1)
        process.send_signal(signal.SIGCONT)
        ours.settimeout(DEADLINE_S)
        is_same(ours.recv(64), b"last\n", "the last answer is not lost")
    ours.close()


def test_trouble():
    trap = Trap()
    for wrong in (["-n", "0"], ["-n", "4097"], ["-s", "601"], ["-x"]):
        client = start(trap, *wrong)
        client.close()
        is_same(client.process.returncode, 100, "usage: " + " ".join(wrong))
    client = start(trap, TARPIT="x")
    client.close()
    is_same(client.process.returncode, 100, "TARPIT=x")
    client = start(trap, "-s", "1", "-d", "no/such")
    is_same(client.reply(), b"421 4.3.0 Service not available\r\n", "no place")
    client.close()
    is_same(client.process.returncode, 111, "is trouble")
    client = start(trap, "-s", "1", program=("sh", "-c", "exit 7"))
    client.close()
    is_same(client.process.returncode, 7, "the program's exit code")


test_slow()
test_who()
test_most()
test_gone()
test_deaf()
test_stopped()
test_trouble()
done()
