#!/usr/bin/env python3
"""badmailfrom(8): senders on a list."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
from filtertest import Top, done, equal, fails, run  # noqa: E402

RCPT = b"RCPT TO:<c@d>\n"
NO = b"553 5.7.1 Sender refused\n"


def put(name, text):
    with open(name, "w", encoding="utf-8") as file:
        file.write(text)


def mail(sender, *options):
    """What becomes of MAIL and of RCPT."""
    line = b"MAIL FROM:<" + sender + b">\n"
    out, log, code = run(["badmailfrom", *options], line + RCPT)
    first, _, second = out.partition(b"\n")
    return (first + b"\n" if first + b"\n" != line else None,
            second if second != RCPT else None, log, code)


def test_list():
    for sender in (b"bad@some.example", b"BAD@Some.Example",
                   b"any@bulk.example", b'"b\\ad"@some.example.'):
        first, second, log, _ = mail(sender)
        equal((first, second[:1],
               log.startswith("badmailfrom: refused from=")),
              (NO, b"5", True), "%r" % sender)
    for sender in (b"", b"good@some.example", b"x@sub.bulk.example", b"bad"):
        equal(mail(sender), (None, None, "", 0), "not %r" % sender)


def test_options():
    equal(mail(b"x@bulk.example", "-a", "451 4.7.1 Later")[0],
          b"451 4.7.1 Later\n", "-a")
    equal(mail(b"x@bulk.example", "-n", "bulk"),
          (None, b"RCPT TO:<c@d> NOTE=bulk\n",
           "badmailfrom: noted from=x@bulk.example\n", 0), "-n")
    two = b"MAIL FROM:<x@bulk.example>\n" + RCPT + b"RSET\n" \
        b"MAIL FROM:<x@y>\n" + RCPT
    equal(run(["badmailfrom", "-n", "bulk"], two)[0],
          two.replace(RCPT, b"RCPT TO:<c@d> NOTE=bulk\n", 1),
          "... not the next transaction")
    put("other", "@other.example")
    equal(mail(b"x@other.example", "-f", "other")[0], NO, "-f")
    blind = b"XNOTE blind=0\n"
    equal(run(["badmailfrom"], blind)[0], blind, "it judges senders")
    equal(run(["badmailfrom", "-n", "x"], blind)[0], b"XNOTE blind=1\n",
          "... but not with -n")
    for wrong in (["-n", "a b"], ["-a", "250 ok"], ["-a", ""], ["x"],
                  ["-a", "550 no", "-n", "x"], ["-z"]):
        fails(["badmailfrom", *wrong], 100, "usage:")
    fails(["badmailfrom", "-f", "none"], 111, "unable to read none: No such")


with Top():
    os.makedirs("control", exist_ok=True)
    put("control/badmailfrom", "bad@some.example\n@bulk.example\n")
    test_list()
    test_options()
done()
