#!/usr/bin/env python3
"""badrcptto(8): recipients on a list."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
from filtertest import Top, done, equal, fails, ok, run  # noqa: E402

NO = b"550 5.7.1 Recipient refused\n"
LIST = "# old ones\n\nold@trap.example  \r\nUPPER@Trap.Example\n@gone.example\n" \
    '"' + "x" * 5000 + "\na b@trap.example\nlast@trap.example"


def put(name, text):
    with open(name, "w", encoding="utf-8") as file:
        file.write(text)


def rcpt(address, *options):
    line = b"RCPT TO:<" + address + b">\n"
    out, log, code = run(["badrcptto", *options],
                         b"MAIL FROM:<a@b>\n" + line)
    ok(code == 0 and out.startswith(b"MAIL FROM:<a@b>\n"), "MAIL passes")
    out = out[len(b"MAIL FROM:<a@b>\n"):]
    return (None if out == line else out), log


def test_list():
    for address in (b"old@trap.example", b"OLD@TRAP.example.",
                    b"upper@trap.example", b"anyone@gone.example",
                    b'"o\\ld"@trap.example', b"@a,@b:old@trap.example",
                    b'"a b"@trap.example', b"last@trap.example"):
        out, log = rcpt(address)
        equal((out, log.startswith("badrcptto: refused rcpt=")), (NO, True),
              "%r" % address)
    for address in (b"old@trap.example.org", b"x@sub.gone.example",
                    b"new@trap.example", b"old", b"x" * 880 + b"@trap.exam"):
        equal(rcpt(address), (None, ""), "not %r" % address[:40])
    out, log = rcpt(b"\xff;`id`@gone.example")
    equal((out, "rcpt=\\xff;`id`@gone" in log), (NO, True), "logged escaped")


def test_options():
    equal(rcpt(b"old@trap.example", "-a", "!450 4.2.1 Later")[0],
          b"!450 4.2.1 Later\n", "-a")
    out, log = rcpt(b"old@trap.example", "-n", "retired")
    equal((out, log), (b"RCPT TO:<old@trap.example> NOTE=retired\n",
                       "badrcptto: noted rcpt=old@trap.example\n"), "-n")
    put("other", "@other.example\n")
    equal(rcpt(b"x@other.example", "-f", "other")[0], NO, "-f")
    put("empty", "")
    equal(rcpt(b"old@trap.example", "-f", "empty")[0], None, "an empty list")
    for wrong in (["-n", "a b"], ["-n", ""], ["-a", "250 ok"], ["-a", "no"],
                  ["-a", "550 a\nb"], ["-n", "x", "-a", "550 no"], ["x"],
                  ["-z"], ["-f"]):
        fails(["badrcptto", *wrong], 100, "usage:")
    fails(["badrcptto", "-f", "none"], 111, "unable to read none: No such")
    os.environ["TRAPLINE_CONTROL"] = "x" * 2000
    fails(["badrcptto"], 111, "unable to make the path of badrcptto")
    del os.environ["TRAPLINE_CONTROL"]


with Top():
    os.makedirs("control", exist_ok=True)
    put("control/badrcptto", LIST)
    test_list()
    test_options()
done()
