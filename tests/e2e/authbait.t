#!/usr/bin/env python3
"""control/authbait: AUTH is heard, kept, and answered as it says."""
import base64
import os
import re
import smtplib
import socket
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
from smtptest import Server, Trap, done, is_same, ok  # noqa: E402


def talk(trap):
    return trap.connect(kind=socket.SOCK_STREAM)


def coded(text):
    return base64.b64encode(text).decode()


def plain(user, secret):
    return "AUTH PLAIN " + coded(b"\0" + user + b"\0" + secret)


def metadata(trap):
    """Of the only job: {key: value}; the queue is empty then."""
    (name,) = os.listdir(trap.queue + "/queue")
    path = f"{trap.queue}/queue/{name}"
    with open(path, encoding="latin-1") as f:
        text = f.read()
    os.unlink(path)
    return dict(line.split(": ", 1) for line in text.splitlines())


def send(client):
    client.say("MAIL FROM:<a@b.example>")
    client.say("RCPT TO:<c@d.example>")
    client.say("DATA")
    return client.say("x\r\n.")


def test_refuse():
    trap = Trap(authbait="0")
    client = talk(trap)
    ok(b"\r\n250-AUTH LOGIN PLAIN\r\n" in client.greet(), "offered")
    refused = b"535 5.7.8 Authentication failed\r\n"
    is_same(client.say(plain(b"bob!", b"pass word")), refused, "PLAIN")
    is_same(client.say("AUTH PLAIN"), b"334 \r\n", "PLAIN without it")
    is_same(client.say(coded(b"as\0eve!\0s\xff\n=+\0x")), refused, "... with it")
    is_same(client.say("auth login"), b"334 VXNlcm5hbWU6\r\n", "LOGIN")
    is_same(client.say(coded(b"tom!")), b"334 UGFzc3dvcmQ6\r\n", "... a name")
    is_same(client.say(coded(b"1234!")), refused, "... a password")
    is_same(client.say("AUTH LOGIN " + coded(b"root")),
            b"334 UGFzc3dvcmQ6\r\n", "a name at once")
    is_same(client.say("*"), b"501 5.7.0 Authentication cancelled\r\n", "*")
    is_same(client.say("AUTH CRAM-MD5"),
            b"504 5.5.4 Unrecognized authentication type\r\n", "another type")
    is_same(client.say("AUTH"),
            b"504 5.5.4 Unrecognized authentication type\r\n", "none")
    ok(send(client).startswith(b"250 "), "a message all the same")
    got = metadata(trap)
    is_same([got.get(f"auth.{n}.{k}") for n in (1, 2, 3, 4)
             for k in ("method", "user", "secret")],
            ["PLAIN", "bob!", "pass word", "PLAIN", "eve!", "s\xff?=+",
             "LOGIN", "tom!", "1234!", None, None, None],
            "every try is in its metadata")
    is_same(got["proto"], "ESMTP", "as one who is not let in")
    client.say("QUIT")
    client.finish()
    log = trap.log()
    ok(re.search(r"auth session=\S+ ip=\S+ method=LOGIN try=3 answer=535",
                 log) is not None, "the log has the tries", log)
    # Words that are in no random name and no number of the log.
    ok(not any(word in log for word in ("bob!", "pass word", "tom!", "1234!",
                                        "eve!")), "but no names and passwords")


def test_accept():
    trap = Trap(authbait="3")
    client = talk(trap)
    client.greet()
    is_same([client.say(plain(b"u", b"%d" % i))[:3] for i in range(3)],
            [b"535", b"535", b"235"], "the third try")
    is_same(client.say(plain(b"u", b"p"))[:9], b"503 5.5.1", "then no more")
    ok(b"AUTH" not in client.say("EHLO again"), "nor is it offered")
    ok(send(client).startswith(b"250 "), "a message")
    got = metadata(trap)
    is_same((got["proto"], got["auth.3.secret"], got["helo"]),
            ("ESMTPA", "2", "again"), "of one who was let in")
    is_same(client.say("MAIL FROM:<a@b.example> AUTH=<>", "RSET",
                       "MAIL FROM:<a@b.example> AUTH=")[:3], b"501",
            "AUTH= is to have a value")
    is_same(client.say("MAIL FROM:<a@b.example> AUTH=<>", "RSET")[:3], b"250",
            "... and is taken then")
    client = talk(trap)
    client.greet()
    client.say("MAIL FROM:<a@b.example>")
    is_same(client.say(plain(b"u", b"p"))[:9], b"503 5.5.1",
            "not in a transaction")


def test_bounds():
    trap = Trap(authbait="0", maxjunk="20")
    client = talk(trap)
    client.greet()
    long = b"u" * 1000
    answers = [client.say(plain(long, long)) for _ in range(12)]
    is_same({a[:3] for a in answers}, {b"535"}, "long ones")
    ok(send(client).startswith(b"250 "), "a message")
    got = metadata(trap)
    is_same(sorted(k for k in got if k.endswith("user")),
            ["auth.%d.user" % n for n in range(1, len(
                [k for k in got if k.endswith("user")]) + 1)],
            "some are kept")
    ok(all(len(v) <= 255 for k, v in got.items() if k.startswith("auth.")),
       "none longer than 255")
    answers = [client.say("AUTH PLAIN !!!") for _ in range(20)]
    ok(answers[-1].startswith(b"421 ") and answers[0][:3] == b"535",
       "too many: 421", answers[-1])
    client = talk(trap)
    client.greet()
    client.say("AUTH LOGIN")
    is_same(client.say("MAIL FROM:<a@b>")[:3], b"334",
            "a line is what was asked for, whatever it looks like")
    trap = Trap(authbait="1")
    client = talk(trap)
    client.greet()
    is_same([client.say(line + "\r")[:3] for line in
             ("AUTH PLAIN", coded(b"\0who\0pass"))], [b"334", b"235"],
            "CR CR LF")
    send(client)
    is_same(metadata(trap)["auth.1.user"], "who", "... is no part of it")


def test_off():
    client = talk(Trap())
    ok(b"AUTH" not in client.greet(), "off: not offered")
    is_same(client.say("AUTH LOGIN"), b"500 5.5.2 Command not recognized\r\n",
            "nor known")
    ok(talk(Trap(authbait="x")).reply().startswith(b"421 "),
       "no number: 421")


def test_client():
    """Python's, which tries what is offered."""
    trap = Trap(authbait="1")
    server = Server(trap)
    with smtplib.SMTP("127.0.0.1", server.port) as client:
        is_same(client.login("user", "secret")[0], 235, "a real client")
        client.sendmail("a@b.example", ["c@d.example"], "x\r\n")
    is_same(metadata(trap)["auth.1.user"], "user", "what it said")


for test in (test_refuse, test_accept, test_bounds, test_off, test_client):
    test()
done()
