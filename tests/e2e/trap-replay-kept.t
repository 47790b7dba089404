#!/usr/bin/env python3
"""What control/evidence keeps of a session can be played to the trap again: the
same bytes, and the same replies; what is kept of that is the same again."""
import os
import re
import socket
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
from smtptest import (BUILD, DEADLINE_S, Server, Trap, done,  # noqa: E402
                      is_same, ok, wait_until)

trap = Trap(evidence="evidence", maxjunk="5")
KEPT = trap.dir + "/evidence"
os.mkdir(KEPT, 0o700)
server = Server(trap)


def names():
    return sorted(name for name in os.listdir(KEPT) if name[0] != ".")


def read(name):
    with open(f"{KEPT}/{name}", "rb") as f:
        return f.read()


def added(before):
    wait_until(lambda: len(names()) > len(before))
    return [name for name in names() if name not in before]


def client_bytes(text):
    """All that the client sent, as the records have it."""
    sent = b""
    while text:
        line, _, text = text.partition(b"\n")
        kind, _, *rest = line.split(b" ", 2)
        if kind in (b"C", b"D"):
            sent += re.sub(rb"\\(x..|.)", lambda m: {
                b"r": b"\r", b"n": b"\n", b"\\": b"\\"}.get(
                    m[1]) or bytes([int(m[1][1:], 16)]), rest[0])
        elif kind == b"B":
            n = int(rest[0])
            sent += text[:n]
            text = text[n + 1:]
    return sent


def packets(text):
    return sum(map(int, re.findall(rb"(?m)^P \d+ (\d+)$", text)))


BEGIN = b"EHLO [192.0.2.7]\r\n"
MAIL = b"MAIL FROM:<a@b.c>\r\n"
RCPT = b"RCPT TO:<d@e.f>\r\n"
TEXT = b"Subject: x\r\n\r\n..\xff\x00\\\r\nE 0 quit\n\r\n.\r\n"

for name, rounds, ends in (
        ("in turn", (BEGIN, MAIL, RCPT, b"DATA\r\n", TEXT, b"QUIT\r\n"), True),
        ("pipelined", (BEGIN, MAIL + RCPT + b"DATA\r\n", TEXT + b"QUIT\r\n"),
         True),
        ("all at once", (BEGIN + MAIL + RCPT + b"data\r\n" + TEXT +
                         b"quit\n",), True),
        ("LF and spelling", (b"helo x\n", b"mail from: a@b.c\n",
                             b"Rcpt To: <d@e.f> x\\y\n", b"\x01\xff\n",
                             RCPT, b"DATA\n", TEXT, b"QUIT\n"), True),
        ("chunks", (BEGIN, MAIL + RCPT + b"BDAT 5\r\n\r\n.\r\nBDAT 3\r\nxyz",
                    b"BDAT 2 LAST\r\n\xff\n" + MAIL, b"RSET\r\n",
                    b"QUIT\r\n"), True),
        ("a large body", (BEGIN, MAIL, RCPT, b"DATA\r\n",
                          b"x" * 70 + b"\r\n" + (b"y" * 77 + b"\r\n") * 9000 +
                          b".\r\n", b"QUIT\r\n"), True),
        ("a long line", (BEGIN, MAIL, b"x" * 100000 + b"\r\n", RCPT,
                         b"DATA\r\n", TEXT, b"QUIT\r\n"), True),
        ("away in a body", (BEGIN, MAIL, RCPT, b"DATA\r\n", b"Subject: x"),
         False),
        ("away in a command", (BEGIN, MAIL, b"RCPT TO:<"), False),
        ("silent", (BEGIN, MAIL, RCPT), True),
        ("junk", (BEGIN, MAIL) + 9 * (b"nonsense\r\n",), True),
        ("behind QUIT", (BEGIN, MAIL, b"QUIT\r\nNOOP\r\n\xff"), True)):
    before = names()
    trap.control("timeout", "2" if name == "silent" else str(DEADLINE_S))
    client = socket.create_connection(("127.0.0.1", server.port), DEADLINE_S)
    client.recv(4096)
    for sent in rounds:
        try:
            client.sendall(sent)
        except OSError:
            break
        if sent[-1:] == b"\n" or ends:
            try:
                client.recv(65536)
            except OSError:
                pass
    if not ends:
        client.shutdown(socket.SHUT_WR)
    try:
        while client.recv(65536):
            pass
    except OSError:
        pass
    client.close()
    first = added(before)
    if not ok(len(first) == 1, f"{name}: kept", trap.log()):
        continue
    text = read(first[0])
    sent = b"".join(rounds)
    if name not in ("junk",):
        is_same(client_bytes(text)[:2000], sent[:2000], "... as it was sent")
        is_same(len(client_bytes(text)), len(sent), "... all of it")
        is_same(packets(text), len(sent), "... in its packets")
    before = names()
    played = subprocess.run(
        [BUILD + "/trap-replay", "-t50", f"127.0.0.1:{server.port}",
         f"{KEPT}/{first[0]}"], capture_output=True, timeout=DEADLINE_S,
        check=False)
    is_same((played.returncode, played.stdout, played.stderr), (0, b"", b""),
            "... played with the same replies")
    again = added(before)
    if ok(len(again) == 1, "... and kept again", trap.log()):
        other = read(again[0])
        is_same(client_bytes(other)[-2000:], client_bytes(text)[-2000:],
                "... with the same bytes")
        is_same(len(client_bytes(other)), len(client_bytes(text)), "... all")

jobs = trap.jobs()
bodies = {}
for job in jobs:
    bodies.setdefault(job.data(), []).append(job.name)
ok(jobs and all(len(found) % 2 == 0 for found in bodies.values()),
   "each message is there twice", [len(x) for x in bodies.values()])
done()
