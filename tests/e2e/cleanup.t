#!/usr/bin/env python3
"""cleanup(8): which fields are dropped, and that all else stays as it was."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
from filtertest import MAIL, Top, done, equal, fails, judge, message, \
    ok, run  # noqa: E402

RULES = b"""# what is no rule

^X-Spam-
^Received:.* by mx\\d*\\.forwarder\\.example[ ;]
^(Delivered-To|Return-Path):
^From\\x20
"""


def rules(text, name="cleanup"):
    os.makedirs("control", exist_ok=True)
    with open("control/" + name, "wb") as f:
        f.write(text)


def cleaned(text, fields):
    return judge(["cleanup"], message(text)), \
        "cleanup: cleaned fields=%d\n" % fields if fields else ""


def becomes(text, wanted, fields, name):
    (got, log), log_wanted = cleaned(text, fields)
    equal((got, log), ([wanted], log_wanted), name)


def test_fields():
    becomes(b"Subject: x\n\nX-Spam-Status: body\n",
            b"Subject: x\n\nX-Spam-Status: body\n", 0, "the body stays")
    becomes(b"From a@b Sat\nx-spam-flag: YES\nSubject: x\nReceived: from a\n"
            b"\tby mx1.forwarder.example with SMTP;\n date\nReceived: from b by "
            b"mx.other.example\nDelivered-To: <a@b>\n\nbody\n",
            b"Subject: x\nReceived: from b by mx.other.example\n\nbody\n", 4,
            "fields of all kinds, folds and the mbox line")
    becomes(b"Subject: x\n X-Spam-Status: fold\n\n",
            b"Subject: x\n X-Spam-Status: fold\n\n", 0,
            "a folded line is no field")
    becomes(b"X-Spam-Level: *\r\nSubject: x\r\n\r\nbody\r\n",
            b"Subject: x\r\n\r\nbody\r\n", 1, "CRLF")
    becomes(b"X-Spam-Level: 1\nX-Spam-Level: 2\n", b"", 2, "no body")
    becomes(b"X-Spam-Level: 1", b"", 1, "no line end")
    becomes(b"", b"", 0, "nothing at all")
    becomes(b"\n\n", b"\n\n", 0, "no header")
    becomes(b"a\0b: \xff\nX-Spam-\0\xff: y\n\n\0", b"a\0b: \xff\n\n\0", 1,
            "bytes of all kinds")


def test_pieces():
    whole = b"Subject: x\nX-Spam-Flag:\n YES\nTo: y\n\nbody\n"
    stream = MAIL + b"".join(b"BDAT 1\n" + whole[i:i + 1]
                             for i in range(len(whole))) + b"BDAT 0 LAST\n"
    out, _, code = run(["cleanup"], stream)
    body = b"".join(out.split(b"BDAT ")[i].split(b"\n", 1)[1]
                    for i in range(1, out.count(b"BDAT ") + 1))
    equal((body, code), (b"Subject: x\nTo: y\n\nbody\n", 0), "byte by byte")
    equal(judge(["cleanup"], message(whole), message(b"A: b\n\n"))[0],
          [b"Subject: x\nTo: y\n\nbody\n", b"A: b\n\n"], "one after another")


def test_limits():
    long = b"X-Spam-Report: " + b"x" * 3000 + b"\n " + b"y" * 50000 + b"\n"
    becomes(long + b"A: b\n\nbody\n", b"A: b\n\nbody\n", 1, "a long field")
    endless = b"A: b\n" + b"X-Spam-Report: " + b"x" * 200000 + b"\n\nbody\n"
    becomes(endless, endless, 0, "one that does not end in the part looked at")
    rules(b"^A:.*\\n|^\nC:\n")
    becomes(b"A: b\nB: c\nAC: d\n\nbody\n\nC: e\n", b"\nbody\n\nC: e\n", 3,
            "the end of the header is no field")
    rules(b"(a+)+$\n")
    got, log = judge(["cleanup"], message(b"A: " + b"a" * 3000 + b"b\n\n"))
    equal(got, [b"A: " + b"a" * 3000 + b"b\n\n"], "a rule that would not end")
    ok("rule not applied rule=(a+)+$ error=" in log, "is named in the log")
    rules(b"[a-z]+ ?[a-z]+[0-9]\n")
    slow = (b"A: " + b"a" * 4000 + b"\n") * 15 + b"B: x1\n\n"
    began = os.times().children_user
    got, log = judge(["cleanup"], message(slow), message(b"B: aa1\n\n"))
    took = os.times().children_user - began
    equal(got, [slow, b"\n"], "a header that would take minutes goes on")
    ok("time limit, for the rest of the header too" in log,
       "... as the log says")
    ok(took < 10, "... soon, and the next one is looked at")


def test_configuration():
    fails(["cleanup", "x"], 100, "usage: ")
    fails(["cleanup", "-r", "../x"], 100, "usage: ")
    fails(["cleanup", "-r", "none"], 111, "control/none")
    rules(b"good\n(bad\n")
    fails(["cleanup"], 111, "rule (bad: ")
    rules(b"^Other:\n", "other")
    equal(judge(["cleanup", "-r", "other"], message(b"Other: x\n\n"))[0],
          [b"\n"], "another file")


with Top():
    for test in (test_fields, test_pieces, test_limits, test_configuration):
        rules(RULES)
        test()
done()
