#!/usr/bin/env python3
"""A client that is gone before its final dot leaves nothing: no job, no file,
no process."""
import os
import socket
import struct
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
from smtptest import (  # noqa: E402
    SANITIZED, Server, Trap, done, files_under, is_same, ok, wait_until)

PIPELINE = ["rcptcheck", "received-line", "deliver-dirqueue queue"]
ENVELOPE = b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n"
DATA = ENVELOPE + b"DATA\r\nSubject: x\r\n\r\n..text\r\n.\r\n"
BDAT = ENVELOPE + b"BDAT 6\r\nab\r\ncdBDAT 5 LAST\r\nef\r\ng"
STEP = 11 if SANITIZED else 1


def new_trap():
    return Trap(PIPELINE, rcptcheck="old@d.example DENY no such user")


def left_behind(trap):
    return files_under(trap.queue) + trap.processes()


def test_end_of_file(session, name):
    """All was sent that came, replies were not read."""
    trap = new_trap()
    wrong = []
    for at in range(0, len(session), STEP):
        trap.run([session[:at]] if at else [])
        if files_under(trap.queue):
            wrong.append(session[:at])
            trap.clear()
    ok(not wrong, f"{name}: end of file at every byte, no file is left", wrong)
    is_same(trap.processes(), [], f"{name}: no process either")
    trap.run([session])
    is_same(len(trap.jobs()), 1, f"{name}: the whole of it makes one job")


def test_gone(session, name):
    """The socket is closed for good: replies cannot be written."""
    trap = new_trap()
    wrong = []
    for at in range(1, len(session), STEP):
        client = trap.connect()
        client.send(session[:at])
        client.close()
        if files_under(trap.queue):
            wrong.append(session[:at])
            trap.clear()
    ok(not wrong, f"{name}: closed at every byte, no file is left", wrong)
    is_same(trap.processes(), [], f"{name}: no process is left")


def test_large_body(kind):
    """In a body of a megabyte, so that the pipeline has much of it."""
    trap = new_trap()
    body = b"x" * 998 + b"\r\n"
    for count in (1, 63, 64, 65, 66, 500, 1000):
        client = trap.connect(kind=socket.SOCK_STREAM)
        if kind == "DATA":
            client.send(ENVELOPE + b"DATA\r\n" + body * count + b".\r")
        else:
            client.send(ENVELOPE + b"BDAT 2000000 LAST\r\n" + body * count)
        client.close()
        is_same(left_behind(trap), [], f"gone after {count} KB of {kind}")


def test_reset_by_peer():
    """Over TCP, with a TCP reset, at every phase."""
    trap = new_trap()
    server = Server(trap)
    phases = [DATA[:at] for at in range(0, len(DATA), 5 * STEP)]
    for phase in phases:
        client = server.connect()
        if phase.startswith(b"EHLO x\r\n"):
            client.greet()
            client.send(phase[8:])
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                 struct.pack("ii", 1, 0))
        client.close()
    ended = wait_until(lambda: trap.log().count(" end session=") ==
                       len(phases))
    ok(ended, "each connection that was reset has its line in the log")
    ok(wait_until(lambda: trap.processes() == [server.process.pid]),
       "only the server goes on", trap.processes())
    is_same(files_under(trap.queue), [], "no file is left")
    server.stop()


def test_after_the_dot():
    """Gone after the final dot, its reply unread: the message is kept."""
    trap = new_trap()
    client = trap.connect()
    client.greet()
    client.say("MAIL FROM:<a@b.example>", "RCPT TO:<c@d.example>", "DATA")
    client.send(b"text\r\n.\r\n")
    client.close()
    is_same(len(trap.jobs()), 1, "gone after the dot: the message is kept")


test_end_of_file(DATA, "DATA")
test_end_of_file(BDAT, "BDAT")
test_gone(DATA, "DATA")
test_gone(BDAT, "BDAT")
test_large_body("DATA")
test_large_body("BDAT")
test_reset_by_peer()
test_after_the_dot()
done()
