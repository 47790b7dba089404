#!/usr/bin/env python3
"""deliver-smtp: what the next server gets, and what of its answers comes
back."""
import email
import mailbox
import os
import re
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, "tests/e2e/lib")
from dirqueue import (BUILD, DEADLINE_S, Sink, Top, answers, done,  # noqa: E402
                      enqueue, equal, message, ok, skip, wait_for)
from filtertest import free_port  # noqa: E402

PROGRAM = BUILD + "/deliver-smtp"
POSTFIX = os.path.realpath(os.path.join(BUILD, "postfix"))
EHLO = "250-me\r\n250-PIPELINING\r\n250-SIZE 5000000\r\n250 8BITMIME"


class Server:
    """A server that says what it is told to: for each command line the first
    of says whose pattern is at its start. None: it says nothing; "": it hangs
    up."""

    def __init__(self, path=None, **says):
        self.says = [(r"GREETING", "220 me"), (r"EHLO|LHLO", EHLO),
                     (r"QUIT", "221 bye"), (r"DATA", "354 go"),
                     (r"END", "250 2.0.0 Ok: queued as 7F"), (r"", "250 2.0.0 ok")]
        self.sessions = []  # what was said in each, QUIT at leisure
        self.bodies = []
        self.pause_s = 0  # before each reply
        self.socket = socket.socket(
            socket.AF_UNIX if path else socket.AF_INET)
        self.socket.bind(path or ("127.0.0.1", 0))
        self.socket.listen()
        self.target = path or "127.0.0.1:%d" % self.socket.getsockname()[1]
        for pattern, text in says.items():
            self.say(pattern, text)
        threading.Thread(target=self.accept, daemon=True).start()

    def say(self, pattern, *texts):
        """Several texts: one after the other, then the last again."""
        self.says.insert(0, (pattern, list(texts)))

    @property
    def seen(self):
        return sum(self.sessions, [])

    @property
    def connections(self):
        return len(self.sessions)

    def reply(self, line, stream, session):
        session.append(line)
        time.sleep(self.pause_s)
        for pattern, text in self.says:
            if re.match(pattern, line, re.I):
                break
        if isinstance(text, list):
            text = text.pop(0) if len(text) > 1 else text[0]
        if text == "":
            raise ConnectionError
        if text is not None:
            stream.write(text.encode() + b"\r\n")
            stream.flush()
        return text or ""

    def accept(self):
        while True:
            try:
                peer = self.socket.accept()[0]
            except OSError:
                return
            self.sessions.append([])
            threading.Thread(target=self.serve, daemon=True,
                             args=(peer, self.sessions[-1])).start()

    def serve(self, peer, session):
        try:
            with peer, peer.makefile("rwb") as stream:
                self.reply("GREETING", stream, session)
                for line in stream:
                    text = self.reply(line.decode("utf-8").rstrip("\r\n"),
                                      stream, session)
                    if line[:4] == b"DATA" and text.startswith("354"):
                        self.bodies.append(self.body(stream))
                        self.reply("END", stream, session)
        except OSError:  # somebody hung up
            pass

    @staticmethod
    def body(stream):
        text = b""
        while True:
            line = stream.readline()
            if not line:
                raise ConnectionError
            if line == b".\r\n":
                return text
            text += line

    def commands(self):
        return [line for line in self.seen if line not in ("GREETING", "END")]

    def close(self):
        self.socket.close()


def run(data, *arguments):
    result = subprocess.run([PROGRAM, "-h", "trap.example", *arguments],
                            input=data, capture_output=True,
                            timeout=DEADLINE_S, check=False)
    return result.returncode, result.stdout, result.stderr.decode()


def answer(data, server, *options):
    _, out, log = run(data, *options, server.target)
    return [one.decode() for one in answers(out)[-1]], log


def envelope(*recipients, sender=b"a@b", parameters=b"", body=b"x\n"):
    return (b"MAIL FROM:<%s>%s\n" % (sender, parameters) +
            b"".join(b"RCPT TO:<%s>\n" % one for one in recipients) +
            b"BDAT %d LAST\n%s" % (len(body), body))


def test_forward():
    server = Server()
    body = b"Subject: x\n\n.\n..\nlast\xff" + b"y" * 100000
    code, out, log = run(message(body) + message(b"two\n", b""), "-n", "no",
                         server.target)
    equal((code, answers(out), server.connections), (0, [[], []], 0),
          "-n: nothing for it, no connection")
    code, out, log = run(message(body) + message(b"two\n", b""), server.target)
    equal(answers(out), [[b"250 2.0.0 ok", b"250 2.0.0 Ok: queued as 7F"]] * 2,
          "the server's answers")
    equal(server.bodies, [b"Subject: x\r\n\r\n..\r\n...\r\nlast\xff" +
                          b"y" * 100000 + b"\r\n", b"two\r\n"],
          "CRLF, dots, the last line's end")
    wait_for(lambda: "QUIT" in server.seen, "QUIT")
    equal(server.commands(),
          ["EHLO trap.example", "MAIL FROM:<a@b> BODY=8BITMIME",
           "RCPT TO:<c@d>", "DATA", "MAIL FROM:<> BODY=8BITMIME",
           "RCPT TO:<c@d>", "DATA", "QUIT"], "one connection for both")
    ok("forwarded target=%s recipients=1 bytes=4 reply=\"250 2.0.0 Ok: queued "
       "as 7F\"" % server.target in log, "its log line")
    data = (b"MAIL FROM:<>\nRCPT TO:<a@b> NOTE=ham\nRCPT TO:<c@d>\n"
            b"BDAT 3 LAST\nabc")
    equal(run(data, "-n", "ham", server.target)[1],
          b"MAIL FROM:<>\n250 2.0.0 ok\nRCPT TO:<c@d>\nBDAT 3\n"
          b"abcXNOTE delivered=a@b\nXNOTE queued=250+202.0.0+20Ok:+20queued+20as+207F\n"
          b"BDAT 0 LAST\n", "-n: the others pass on")


def test_extensions():
    server = Server()
    server.say("EHLO", "250-me\r\n250-SIZE 1000\r\n250 SMTPUTF8")
    answer(envelope(b"c@d", sender=b"\xc3\xa4@b", parameters=b" SIZE=999"),
           server)
    equal(server.seen[2], "MAIL FROM:<\xe4@b> SMTPUTF8 SIZE=999",
          "SMTPUTF8, SIZE, no 8BITMIME")
    last, _ = answer(envelope(b"c@d", parameters=b" SIZE=1001"), server)
    equal(last[0], "552 5.3.4 too big for the next server", "over its SIZE")
    server.say("EHLO", "250 me")
    last, _ = answer(envelope(b"c@d", sender=b"\xc3\xa4@b"), server)
    equal(last[0][:9], "553 5.6.7", "no SMTPUTF8: a sender")
    last, _ = answer(envelope(b"\xc3\xa4@d", b"c@d"), server)
    equal([one[:9] for one in last], ["553 5.6.7", "250 2.0.0", "250 2.0.0"],
          "no SMTPUTF8: a recipient")
    server.say("EHLO", "502 what?")
    answer(envelope(b"c@d"), server)
    ok("HELO trap.example" in server.seen, "no EHLO: HELO")


def test_client():
    client = (b"XCLIENT ADDR=IPV6:2001:db8::1 NAME=h.example HELO=x+20y "
              b"PROTO=ESMTP\nXNOTE session=77\n")
    offer = ("250-me\r\n250-XCLIENT NAME ADDR HELO PROTO\r\n"
             "250-PIPELINING\r\n250 XFORWARD NAME ADDR HELO IDENT")
    server = Server(EHLO=offer)
    forward = ("XFORWARD NAME=h.example ADDR=IPV6:2001:db8::1 HELO=x+20y "
               "IDENT=77")
    answer(client + message(b"1") + message(b"2"), server)
    equal(server.seen.count(forward), 2, "XFORWARD for each message")
    ok(not any(line.startswith("XCLIENT") for line in server.seen),
       "no XCLIENT unasked")
    server.say("XCLIENT", "220 me")
    answer(client + message(b"1") + message(b"2"), server, "-x")
    equal(server.seen.count("XCLIENT NAME=h.example ADDR=IPV6:2001:db8::1 "
                            "PROTO=ESMTP HELO=x+20y"), 1, "-x: XCLIENT, once")
    at = [line[:7] for line in server.seen].index("XCLIENT")
    equal([line[:4] for line in server.seen[at - 1:at + 4]],
          ["EHLO", "XCLI", "EHLO", "XFOR", "MAIL"], "... and EHLO anew")
    server.say("XCLIENT", "550 5.7.0 not from you")
    last, log = answer(client + message(b"1"), server, "-x")
    ok(last[0].startswith("450 5.7.0") and "not from you" in log,
       "-x: refused: to be tried again")
    server.say("XFORWARD", "501 no")
    equal(answer(client + message(b"1"), server)[0][-1][:3], "250",
          "XFORWARD refused: no matter")
    for verb, offers in (("XFORWARD", "250-PIPELINING\r\n250 XFORWARD NAME"),
                         ("XFORWARD", "250 XFORWARD NAME"),
                         ("STARTTLS", "250 STARTTLS")):
        one = Server(EHLO="250-me\r\n" + offers)
        one.say(verb, "421 4.3.0 down")
        last, log = answer(client + message(b"1"), one)
        ok(last[0].startswith("451 4.3.0 down") and "421 4.3.0 down" in log,
           f"{verb}: 421, offered {offers[4:14]}...") or print("#", last, log)


def test_refusals():
    server = Server()
    server.say("RCPT TO:<no", "550 5.1.1 no such user")
    server.say("RCPT TO:<later", "450 4.2.0 later")
    last, log = answer(envelope(b"no@d", b"c@d", b"later@d"), server)
    equal(last, ["550 5.1.1 no such user", "250 2.0.0 ok", "450 4.2.0 later",
                 "250 2.0.0 Ok: queued as 7F"], "RCPT: each its own answer")
    ok('the next server refused target=%s at=RCPT '
       'recipient=no@d reply="550 5.1.1' % server.target in log, "logged")
    last, _ = answer(envelope(b"no@d"), server)
    equal(last[1], "554 5.5.1 no valid recipients", "RCPT: all refused")
    for at, reply, wanted in (
            ("MAIL", "550 5.7.1 no", "550 5.7.1 no"),
            ("MAIL", "421 4.3.0 down", "451 4.3.0 down"),
            ("RCPT", "354 what", "451 4.3.0 the next server gave"),
            ("RCPT", "421 4.3.0 down", "451 4.3.0 down"),
            ("DATA", "554 5.7.1 no", "554 5.7.1 no"),
            ("DATA", "250 what", "451 4.3.0 the next server gave"),
            ("END", "550-5.7.1 much\r\n550 5.7.1 spam\t!", "550 5.7.1 spam?!"),
            ("END", "452 4.3.1 full", "452 4.3.1 full"),
            ("GREETING", "554 5.3.2 no service", "454 5.3.2 no service")):
        one = Server()
        one.say(at, reply)
        last, _ = answer(envelope(b"c@d"), one)
        got = last[0] if at in ("MAIL", "RCPT", "GREETING") else last[-1]
        ok(got.startswith(wanted), f"{at} {reply!r}: {wanted}") or print(
            "#", last)


def test_trouble():
    port = "127.0.0.1:%d" % free_port()
    _, out, log = run(message(b"x"), port)
    ok(answers(out)[0][0].startswith(b"451 4.4.1") and
       "Connection refused" in log, "no server: 451")
    _, out, _ = run(message(b"x"), "/none/socket")
    ok(answers(out)[0][0].startswith(b"451 4.4.1"), "no socket: 451")
    for at in ("GREETING", "EHLO", "MAIL", "RCPT", "DATA", "END"):
        dead = Server()
        dead.say(at, "")
        last, log = answer(message(b"x"), dead)
        ok(any(one.startswith("451 4.4.") for one in last) and
           "error: connection failed" in log, at + ": hangs up: 451")
    for at in ("GREETING", "MAIL", "DATA"):
        slow = Server()
        slow.say(at, None)
        last, log = answer(message(b"x"), slow, "-t", "1")
        ok(any(one.startswith("451 4.4.") for one in last) and
           "timed out" in log, at + ": no answer: 451")
    for text, name in (("250 " + "x" * 3000, "a line too long"),
                       ("\r\n".join(["250-x"] * 101), "too many lines"),
                       ("hello", "no reply"), ("650 x", "another code")):
        odd = Server()
        odd.say("MAIL", text)
        last, log = answer(message(b"x"), odd)
        ok(last[0].startswith("451 4.4.1") and "server's reply" in log, name)


def traced(server, *options):
    return subprocess.run(
        ["strace", "-D", "-qq", "-o", "calls", "-e", "trace=read", *options,
         PROGRAM, "-h", "trap.example", "-t", "3", server.target],
        input=envelope(b"c@d"), capture_output=True, timeout=DEADLINE_S,
        env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}, check=False)


def test_late_look():
    """It is not there when it is read, then for long nobody looks: what came
    meanwhile is in time."""
    if subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"],
                      check=False, stderr=subprocess.DEVNULL).returncode:
        skip("a late look", "strace may not trace here")
        return
    server = Server()
    server.pause_s = 0.2
    traced(server)
    wait_for(lambda: os.path.exists("calls"), "the calls")
    with open("calls", encoding="ascii") as file:
        waits = [i for i, call in enumerate(file, 1) if "EAGAIN" in call]
    result = traced(server, "-e", "inject=read:delay_exit=3500000:when=%d" %
                    waits[0])
    equal(answers(result.stdout)[-1][-1][:3], b"250", "a late look is in time")


def read_to_reset(sink):
    """The answers before a RSET are not those of the next message."""
    while sink.line() not in (b"RSET", None):
        pass


def test_idle():
    server = Server()
    one = Sink("-h", "t", server.target, program=PROGRAM)
    equal(one.deliver(b"1"), "250", "a message")
    server.say("MAIL", "421 4.4.2 idle", "250 ok")
    equal(one.deliver(b"2"), "250", "421 to the second one: a new connection")
    server.say("MAIL", "", "250 ok")
    equal(one.deliver(b"3"), "250", "hung up on: a new connection")
    equal(server.connections, 3, "three connections")
    one.send(b"MAIL FROM:<>\nRCPT TO:<a@b>\nBDAT 9\nunfinishe")
    one.send(b"RSET\n")
    read_to_reset(one)
    equal(one.deliver(b"4"), "250", "RSET in a message, then another one")
    equal((server.bodies, server.connections),
          ([b"1\r\n", b"2\r\n", b"3\r\n", b"4\r\n"], 4),
          "what is unfinished is not delivered")
    one.send(b"MAIL FROM:<>\nRCPT TO:<a@b>\nRSET\n")
    read_to_reset(one)
    equal(one.deliver(b"5"), "250", "RSET before a message")
    ok("RSET" in server.seen and server.connections == 4, "... on the same one")
    equal(one.end()[0], 0, "the end")


def test_lmtp():
    server = Server(os.path.abspath("socket"))
    for replies, wanted in (
            (("250 2.0.0 a", "250 2.0.0 b"), "250 2.0.0 a"),
            (("250 2.0.0 a", "451 4.2.0 b"), "451 4.2.0 b"),
            (("550 5.0.0 a", "451 4.2.0 b"), "451 4.2.0 b"),
            (("550 5.0.0 a", "250 2.0.0 b"), "250 2.0.0 b"),
            (("550 5.0.0 a", "552 5.0.0 b"), "550 5.0.0 a")):
        server.say("END", "\r\n".join(replies))
        _, out, log = run(envelope(b"c@d", b"e@f"), "-l", server.target)
        equal(answers(out)[-1][-1].decode(), wanted, "LMTP: " + ", ".join(replies))
        kinds = {"2": "delivered", "5": "refused"}
        notes = ["XNOTE %s=%s" % (kinds[reply[0]], name) for reply, name in
                 zip(replies, ("c@d", "e@f")) if reply[0] in kinds]
        equal(re.findall("XNOTE (?:delivered|refused)=.*", out.decode()),
              notes if replies[0][0] != replies[1][0] else [],
              "... what it says of each")
    ok('at=end recipient=e@f reply="552 5.0.0 b"' in log, "whom, in the log")
    ok("LHLO trap.example" in server.seen, "LHLO")
    server.say("RCPT TO:<no", "550 5.1.1 no")
    server.say("END", "250 2.0.0 one")
    last, _ = answer(envelope(b"no@d", b"e@f"), server, "-l")
    equal(last[-1], "250 2.0.0 one", "a reply for each that was accepted")
    server.close()


def test_lmtp_worker():
    """From a queue: each recipient gets it once, or hears why not."""
    server = Server(os.path.abspath("socket.worker"))
    server.say("END", "250 a\r\n451 b\r\n550 c\r\n250 d", "250 b")
    enqueue("q", b"x\n", {"rcpt_to": "a@x\tb@x\tc@x\td@x"})
    with open("dq-run.log", "wb") as log:
        worker = subprocess.Popen([BUILD + "/dq-run", "-b", "1", "q", PROGRAM,
                                   "-l", "-h", "me", server.target],
                                  stderr=log)
    wait_for(lambda: b"finished job=" in slurp("dq-run.log"), "finished")
    equal([line[9:12] for line in server.seen if line.startswith("RCPT")],
          ["a@x", "b@x", "c@x", "d@x", "b@x"],
          "LMTP from a queue: only who was put off is tried again")
    ok(wait_for(lambda: b"recipient refused job=" in slurp("dq-run.log"),
                "the refusal"), "who was refused")
    worker.terminate()
    equal(worker.wait(DEADLINE_S), 0, "the worker's end")
    server.close()


def slurp(path):
    with open(path, "rb") as file:
        return file.read()


def listens(port):
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def test_aiosmtpd():
    if subprocess.run(["/usr/bin/python3", "-c", "import aiosmtpd"],
                      stderr=subprocess.DEVNULL, check=False).returncode:
        skip("aiosmtpd", "it is not here")
        return
    port = free_port()
    server = subprocess.Popen(
        ["/usr/bin/python3", "-m", "aiosmtpd", "-n", "-u", "-l",
         f"127.0.0.1:{port}", "-c", "aiosmtpd.handlers.Mailbox", "box"],
        stderr=subprocess.DEVNULL)
    wait_for(lambda: listens(port), "aiosmtpd")
    body = b"Subject: =?utf-8?q?x?=\n\n.dot\n\xc3\xa4\n"
    _, out, _ = run(message(body) * 3, f"127.0.0.1:{port}")
    equal([one[-1][:3] for one in answers(out)], [b"250"] * 3,
          "aiosmtpd: three messages")
    box = mailbox.Maildir("box", email.message_from_binary_file)
    equal([m.get_payload(decode=True) for m in box],
          [b".dot\n\xc3\xa4\n"] * 3, "... as they are")
    server.terminate()
    server.wait()


def test_postfix():
    program = POSTFIX + "/usr/sbin/smtp-sink"
    if not os.path.exists(program):
        skip("smtp-sink", "it is not here")
        return
    port = free_port()
    os.mkdir("dump")
    os.chmod("dump", 0o777)
    server = subprocess.Popen(
        [program, *(["-u", "nobody"] if os.getuid() == 0 else []), "-d",
         "dump/%Y.", f"127.0.0.1:{port}", "10"],
        env={**os.environ, "LD_LIBRARY_PATH": POSTFIX + "/usr/lib/postfix"},
        stderr=subprocess.DEVNULL)
    wait_for(lambda: listens(port), "smtp-sink")
    data = (b"XCLIENT ADDR=192.0.2.7 NAME=h.example HELO=h PROTO=SMTP\n" +
            message(b"Subject: x\n\n" + b".\n" * 10000) * 20)
    _, out, _ = run(data, f"127.0.0.1:{port}")
    equal([one[-1][:3] for one in answers(out)], [b"250"] * 20,
          "smtp-sink: twenty messages")

    def dumps():
        return [slurp("dump/" + name) for name in os.listdir("dump")]

    def are_whole():
        return len(dumps()) == 20 and all(one.rstrip(b"\n").endswith(
            b"Subject: x\n\n" + b".\n" * 9999 + b".") for one in dumps())

    ok(wait_for(are_whole, "twenty files"), "... as they are")
    server.terminate()
    server.wait()


def test_usage():
    for arguments in ((), ("host",), (":25",), ("host:",), ("a:1", "b:1"),
                      ("-t", "0", "a:1"), ("-t", "3601", "a:1"),
                      ("-n", "a b", "a:1"), ("-z", "a:1"), ("-h", "", "a:1")):
        equal(run(b"", *arguments)[0], 100, "usage: " + " ".join(arguments))


for test in (test_forward, test_extensions, test_client, test_refusals,
             test_trouble, test_late_look, test_idle, test_lmtp, test_lmtp_worker, test_aiosmtpd, test_postfix,
             test_usage):
    with Top():
        test()
done()
