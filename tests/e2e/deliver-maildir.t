#!/usr/bin/env python3
"""deliver-maildir: whole messages in new/, or nothing anywhere."""
import mailbox
import os
import re
import signal
import socket
import subprocess
import sys

sys.path.insert(0, "tests/e2e/lib")
from dirqueue import (BUILD, DEADLINE_S, Sink, Top, done, equal,  # noqa: E402
                      files, message, ok, skip, wait_for)

PROGRAM = BUILD + "/deliver-maildir"


def sink(*arguments, **options):
    return Sink(*arguments, "box", program=PROGRAM, **options)


def run(data, *arguments, prefix=()):
    result = subprocess.run([*prefix, PROGRAM, *arguments, "box"], input=data,
                            capture_output=True, timeout=DEADLINE_S,
                            check=False)
    return result.returncode, result.stdout, result.stderr


def bodies(part="new"):
    found = []
    for name in sorted(os.listdir("box/" + part)):
        with open(f"box/{part}/{name}", "rb") as f:
            found.append(f.read())
    return found


def test_messages():
    os.mkdir("box")
    wanted = [b"Subject: x\n\nFrom here\n", b"", bytes(range(256)) * 1000]
    code, out, err = run(b"".join(message(body) for body in wanted))
    equal((code, out.count(b"\n250 2.6.0 delivered as "), err.count(b"\n")),
          (0, 3, 3), "three messages")
    equal(sorted(bodies()), sorted(wanted), "as they are, in new")
    equal((os.listdir("box/tmp"), os.listdir("box/cur")), ([], []),
          "nothing else")
    name = os.listdir("box/new")[0]
    ok(name.endswith("." + socket.gethostname()) and
       f"XNOTE queued={name}\n".encode() in out, "its name is its id")
    equal({oct(os.stat("box/new/" + n).st_mode & 0o7777)
           for n in os.listdir("box/new")}, {"0o600"}, "for its owner alone")
    box = mailbox.Maildir("box", create=False)
    equal(sorted(str(m["Subject"]) for m in box), ["None", "None", "x"],
          "Python's mailbox reads it")


def test_options():
    os.mkdir("box")
    text = (b"MAIL FROM:<>\nRCPT TO:<a@b> NOTE=ham\nRCPT TO:<c@d>\n"
            b"BDAT 3 LAST\nabc")
    _, out, _ = run(text, "-n", "ham")
    equal(re.sub(rb"queued=\S+", b"queued=ID", out),
          b"MAIL FROM:<>\n250 2.1.5 ok\nRCPT TO:<c@d>\nBDAT 3\n"
          b"abcXNOTE queued=ID\nBDAT 0 LAST\n", "-n: the others pass on")
    equal(bodies(), [b"abc"], "-n: its own is stored")
    os.unlink("box/new/" + os.listdir("box/new")[0])
    run(b"MAIL FROM:<s@t>\nRCPT TO:<a@b> NOTE=ham\nRCPT TO:<c@d>\n"
        b"RCPT TO:<\"e f\"@g> NOTE=ham\nBDAT 1\naBDAT 2 LAST\nbc" +
        b"MAIL FROM:<>\nRCPT TO:<h@i> NOTE=ham\nBDAT 1 LAST\nx", "-e", "-n",
        "ham")
    equal(sorted(bodies()),
          [b'X-Original-To: a@b\nX-Original-To: "e f"@g\n'
           b"Return-Path: <s@t>\nabc",
           b"X-Original-To: h@i\nReturn-Path: <>\nx"], "-e: the envelope, of those that it took")
    _, out, _ = run(message(b"x"), "-a", "550 5.1.1 no such user")
    ok(out.endswith(b"\n550 5.1.1 no such user\n"), "-a: kept, then refused")
    equal(len(bodies()), 3, "-a: it is there")
    for arguments in (("-n", "a b"), ("-a", "no code"), ("-x",), ("y",)):
        equal(run(b"", *arguments)[0], 100, "usage: " + " ".join(arguments))


def test_unfinished():
    os.mkdir("box")
    one = sink()
    one.send(b"MAIL FROM:<>\nRCPT TO:<a@b>\nBDAT 9\nunfinishe")
    wait_for(lambda: os.path.isdir("box/tmp") and os.listdir("box/tmp"),
             "a message in tmp")
    one.send(b"RSET\n")
    wait_for(lambda: not os.listdir("box/tmp"), "RSET removes it")
    one.send(b"MAIL FROM:<>\nRCPT TO:<a@b>\nBDAT 9\nunfinishe")
    wait_for(lambda: os.listdir("box/tmp"), "another one")
    one.process.send_signal(signal.SIGTERM)
    equal(one.end()[0], 111, "SIGTERM: 111")
    equal(files("box"), [], "and nothing is left")
    equal(run(b"MAIL FROM:<>\nRCPT TO:<a@b>\nBDAT 9\nunfi")[0], 111,
          "a stream that ends in the middle: 111")
    equal(files("box"), [], "and nothing is left, either")


def test_trouble():
    one = sink()
    equal(one.deliver(b"x"), "554", "no such maildir: refused")
    os.mkdir("box")
    equal(one.deliver(b"one"), "250", "taken once it is there")
    os.rename("box", "gone")
    os.mkdir("box")
    equal(one.deliver(b"two"), "250", "another directory of that name")
    code, log = one.end()
    equal((code, bodies(), "make the directory" in log), (0, [b"two"], True),
          "that is where it went; the log says what to do")
    for name in ("box", "gone"):
        ok(not os.listdir(name + "/tmp"), name + ": nothing in tmp")


def test_faults():
    os.mkdir("box")
    run(b"MAIL FROM:<>\nRCPT TO:<a@b>\n")
    if subprocess.run(["strace", "-o", "/dev/null", "true"],
                      check=False).returncode:
        skip("faults", "strace cannot trace here")
        return
    for call, when, error, code in (
            ("fsync", 2, "EIO", b"451"), ("write", 1, "ENOSPC", b"452"),
            ("linkat", 1, "EIO", b"451"), ("fsync", 3, "EIO", b"451")):
        before = len(os.listdir("box/new"))
        data = b"MAIL FROM:<>\nRCPT TO:<a@b>\nBDAT 6 LAST\nSub: x"
        _, out, log = run(data, prefix=(
            "strace", "-o", "trace", "-qq", "-e",
            f"inject={call}:error={error}:when={when}"))
        ok(out.split(b"\n")[-2].startswith(code) and b"storage failed" in log,
           f"{call} {when}: {error}: {code.decode()}")
        kept = len(os.listdir("box/new")) - before
        equal((os.listdir("box/tmp"), kept), ([], 0),
              f"{call} {when}: nothing is left")


for test in (test_messages, test_options, test_unfinished, test_trouble,
             test_faults):
    with Top():
        test()
done()
