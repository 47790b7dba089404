#!/usr/bin/env python3
"""Clients that people use: swaks, Python's smtplib, curl, Postfix's
smtp-source, and BDAT by hand, under a real tcpserver."""
import os
import smtplib
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
from smtptest import (  # noqa: E402
    ACCEPTED, BUILD, DEADLINE_S, SANITIZED, Server, Trap, done,
    files_under, is_same, ok, stored, wait_until)

RULES = ("old@trap.example DENY no such user\n"
         "soft@trap.example DENYSOFT come back later\n"
         "bye@trap.example DENY_DISCONNECT go away")
TEXT = "Subject: hello\r\nX-Dots: .\r\n\r\n.one\r\n..two\r\n.\r\nthree\r\n"


def run(*command, **more):
    return subprocess.run(command, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=10 * DEADLINE_S, **more)


class Test:
    def __init__(self):
        self.trap = Trap(["rcptcheck", "received-line",
                          "deliver-dirqueue queue"], rcptcheck=RULES,
                         databytes=1000000)
        self.server = Server(self.trap, server="tcpserver")

    def taken(self, name, count=1):
        """The jobs since the last call."""
        jobs = self.trap.jobs()
        is_same(len(jobs), count, f"{name}: messages in the queue")
        ok(all(job.data().startswith(b"Received: from ") for job in jobs),
           f"{name}: each with its Received line")
        return jobs

    # ---- swaks

    def swaks(self, *options):
        return run("swaks", "--server", "127.0.0.1", "--port",
                   str(self.server.port), "--helo", "swaks.example", "--from",
                   "swaks@sender.example", *options)

    def test_swaks(self):
        got = self.swaks("--to", "a@trap.example,b@trap.example", "--data",
                         TEXT.replace("\r\n", "\\n"), "--pipeline")
        is_same(got.returncode, 0, "swaks: done")
        ok("<-  250 2.6.0 queued as" in got.stdout, "swaks: queued", got.stdout)
        for job in self.taken("swaks"):
            is_same(job.meta["rcpt_to"], b"a@trap.example\tb@trap.example",
                    "swaks: its recipients")
            ok(b"\n\n.one\n..two\n.\nthree\n" in job.sent(), "swaks: its dots",
               job.sent())
        self.trap.clear()
        got = self.swaks("--to", "old@trap.example")
        ok("<** 550 5.1.1 no such user" in got.stdout, "swaks: refused",
           got.stdout)
        got = self.swaks("--to", "bye@trap.example")
        ok("<** 550 5.1.1 go away" in got.stdout, "swaks: refused, hung up",
           got.stdout)
        is_same(files_under(self.trap.queue), [], "swaks: nothing is kept")

    # ---- Python's smtplib

    def test_smtplib(self):
        with smtplib.SMTP("127.0.0.1", self.server.port, "python.example",
                          DEADLINE_S) as client:
            client.ehlo()
            features = {"pipelining": "", "size": "1000000", "8bitmime": "",
                        "enhancedstatuscodes": "", "smtputf8": "",
                        "chunking": ""}
            is_same(client.esmtp_features, features, "smtplib: the features")
            refused = client.sendmail(
                "py@sender.example",
                ["a@trap.example", "old@trap.example", "soft@trap.example"],
                TEXT)
            is_same(refused,
                    {"old@trap.example": (550, b"5.1.1 no such user"),
                     "soft@trap.example": (450, b"4.2.1 come back later")},
                    "smtplib: two recipients of three are refused")
            client.sendmail("gr\u00fc\u00dfe@s\u00e9nder.example",
                            ["\u7528\u6237@trap.example"], TEXT.encode(),
                            mail_options=["SMTPUTF8", "BODY=8BITMIME"])
            for size, wanted in ((1000000, 250), (1000001, 552)):
                code, _ = client.mail("py@sender.example", [f"SIZE={size}"])
                is_same(code, wanted, f"smtplib: SIZE={size}")
                client.rset()
            try:
                client.sendmail("py@sender.example", ["a@trap.example"],
                                "x" * 1000001, mail_options=[])
                code = 250
            except smtplib.SMTPException as error:
                code = getattr(error, "smtp_code", error)
            is_same(code, 552, "smtplib: a message too big")
            is_same(client.noop()[0], 250, "smtplib: and it goes on")
        jobs = sorted(self.taken("smtplib", 2),
                      key=lambda job: job.meta["rcpt_to"])
        is_same([job.sent() for job in jobs], [stored(TEXT.encode())] * 2,
                "smtplib: what was sent")
        is_same([job.meta["rcpt_to"].decode() for job in jobs],
                ["a@trap.example", "\u7528\u6237@trap.example"],
                "smtplib: who gets it")
        is_same(jobs[1].meta["mail_from"].decode(),
                "gr\u00fc\u00dfe@s\u00e9nder.example", "smtplib: SMTPUTF8")

    # ---- curl

    def test_curl(self):
        path = self.trap.dir + "/message"
        with open(path, "wb") as f:
            f.write(TEXT.encode())
        got = run("curl", "-sS", "-v", "--url",
                  f"smtp://127.0.0.1:{self.server.port}/curl.example",
                  "--mail-from", "curl@sender.example", "--mail-rcpt",
                  "a@trap.example", "--mail-rcpt", "b@trap.example",
                  "--upload-file", path)
        is_same(got.returncode, 0, "curl: done")
        ok("< 250 2.6.0 queued as" in got.stdout, "curl: queued", got.stdout)
        for job in self.taken("curl"):
            is_same(job.sent(), stored(TEXT.encode()), "curl: what was sent")
            is_same(job.meta["helo"], b"curl.example", "curl: its name")
        got = run("curl", "-sS", "--url", f"http://127.0.0.1:{self.server.port}"
                  "/", "--http0.9")
        ok("421 4.7.0 Closing connection" in got.stdout,
           "curl by HTTP: 421", got.stdout)
        got = run("curl", "-sSk", "--url",
                  f"https://127.0.0.1:{self.server.port}/")
        ok(got.returncode != 0, "curl by HTTPS: hung up", got.stdout)
        ok(wait_until(lambda: "why=tls" in self.trap.log()),
           "curl by HTTPS: logged")

    # ---- Postfix's smtp-source

    def test_smtp_source(self):
        count = 40 if SANITIZED else 400
        for name, options in {
                "a connection each": ["-d"], "connections kept": [],
                "40 KB, three recipients": ["-l", "40000", "-r", "3"]}.items():
            name = f"smtp-source, {name}"
            self.trap.clear()
            got = run(BUILD + "/postfix/smtp-source", "-s", "10", "-m",
                      str(count), "-f", "pf@sender.example", "-t",
                      "a@trap.example", *options,
                      f"127.0.0.1:{self.server.port}")
            is_same((got.returncode, got.stdout), (0, ""), f"{name}: done")
            jobs = self.taken(name, count)
            ok(all(job.meta["mail_from"] == b"pf@sender.example"
                   for job in jobs), f"{name}: their sender")

    # ---- BDAT by hand

    def test_bdat(self):
        client = self.server.connect()
        client.greet()
        text = TEXT.encode()
        client.say("MAIL FROM:<hand@sender.example> BODY=8BITMIME",
                   "RCPT TO:<a@trap.example>")
        for byte in text:
            client.send(b"BDAT 1\r\n" + bytes([byte]))
            if not client.reply().startswith(b"250 2.0.0"):
                break
        ok(client.say("BDAT 0 LAST").startswith(ACCEPTED),
           "BDAT by hand: a chunk for each byte")
        client.send(b"MAIL FROM:<>\r\nRCPT TO:<a@trap.example>\r\n"
                    b"BDAT %d LAST\r\n%bQUIT\r\n" % (len(text), text))
        replies = b"".join(client.finish())
        ok(replies.count(ACCEPTED) == 1 and b"221 2.0.0 Bye\r\n" in replies,
           "BDAT by hand: a transaction in one packet", replies)
        is_same([job.sent() for job in self.taken("BDAT by hand", 2)],
                [stored(text)] * 2, "BDAT by hand: what was sent")


def main():
    test = Test()
    test.test_swaks()
    for part in (test.test_smtplib, test.test_curl, test.test_smtp_source,
                 test.test_bdat):
        test.trap.clear()
        part()
    test.server.stop()
    done()


main()
