#!/usr/bin/env python3
"""resolvable(8): senders whose domain has a mail exchanger or an address."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
from dnstest import A, AAAA, MX, server  # noqa: E402
from filtertest import done, equal, fails, ok, run  # noqa: E402

NO = b"550 5.1.8 Sender's domain does not resolve"
LATER = b"451 4.4.3 Sender's domain cannot be looked up now"
RCPT = b"RCPT TO:<c@d>\n"
MANY = "198.51.100.1"
ZONES = {("mx.example", MX): ["mail.mx.example"],
         ("mx.example", A): None, ("mx.example", AAAA): None,
         ("four.example", A): [MANY], ("six.example", AAAA): ["2001:db8::1"],
         ("null.example", MX): ["."], ("null.example", A): [MANY],
         ("odd.example", MX): [b"\x03a b\0"],
         ("empty.example", 99): [], ("fails.example", MX): 2,
         ("fails.example", A): 2, ("fails.example", AAAA): 2,
         ("half.example", MX): 2, ("half.example", A): [MANY],
         ("quiet.example", MX): None, ("late6.example", AAAA): None,
         ("late6.example", A): []}


def mail(dns, senders, *options):
    """The answers to these senders in one session; None: passed on."""
    lines = [b"MAIL FROM:<" + sender + b">\n" for sender in senders]
    out, log, code = run(["resolvable", "-s", dns.place, "-t", "60", *options],
                         b"".join(lines))
    got = out.splitlines(keepends=True)
    if code:
        log += "exit code %d\n" % code
    return [None if a == b else a[:-1] for a, b in zip(got, lines)], log


def of(dns, sender, *options):
    return mail(dns, [sender], *options)[0][0]


def test_verdicts(dns):
    start = time.monotonic()
    for sender in (b"", b"a@mx.example", b"a@MX.Example.", b"a@four.example",
                   b"a@six.example", b"a@[192.0.2.1]", b"a@[IPv6:::1]",
                   "a@bücher.example".encode(), b"a@half.example"):
        equal(of(dns, sender), None, "%r" % sender)
    ok(time.monotonic() - start < 50, "a mail exchanger: no wait for more")
    for sender in (b"a@none.example", b"a@empty.example", b"a@null.example",
                   b"a@odd.example", b"a", b"a@under-.a", b"a@x" + b"y" * 63,
                   b"a@" + b"abc." * 70 + b"example"):
        equal(of(dns, sender), NO, "not %r" % sender[:30])
    equal(of(dns, b"a@fails.example"), LATER, "the server fails: 451")
    start = time.monotonic()
    answers, log = mail(dns, [b"%d@late6.example" % i for i in range(30)],
                        "-t", "1")
    equal((answers, log), ([LATER] * 30, "".join(
        "resolvable: not looked up from=%d@late6.example\n" % i
        for i in range(30))), "silence: 451")
    ok(0.9 < time.monotonic() - start < 20, "... at the deadline, once")


def test_memory():
    zones = {("d%d.example" % i, MX): ["m.example"] for i in range(1000)}
    with server(zones) as dns:
        answers, _ = mail(dns, [b"%d@d1.example" % i for i in range(50)] +
                          [b"a@no.example"] * 50)
        equal(answers, [None] * 50 + [NO] * 50, "a hundred, two domains")
        asked = [name for name, kind in dns.questions() if kind == MX]
        equal(asked, ["d1.example", "no.example"], "... asked for once")
        answers, _ = mail(dns, [b"a@d%d.example" % i for i in range(1000)])
        equal(answers, [None] * 1000, "a thousand domains")
    with server(zones, ttl=0) as dns:
        mail(dns, [b"a@d1.example"] * 3)
        ok([kind for _, kind in dns.asked].count(MX) >= 3,
           "a time to live of 0: asked for again")


def test_options(dns):
    equal(of(dns, b"a@none.example", "-a", "!451 4.1.8 No"), b"!451 4.1.8 No",
          "-a")
    mails = b"MAIL FROM:<a@none.example>\n" + RCPT + b"RSET\n" \
        b"MAIL FROM:<a@fails.example>\n" + RCPT + b"RSET\n" \
        b"MAIL FROM:<a@four.example>\n" + RCPT
    out, log, _ = run(["resolvable", "-s", dns.place, "-n", "odd"], mails)
    equal(out, mails.replace(RCPT, b"RCPT TO:<c@d> NOTE=odd\n", 1), "-n")
    equal(log, "resolvable: noted from=a@none.example\n"
          "resolvable: not looked up from=a@fails.example\n", "... logged")
    blind = b"XNOTE blind=0\n"
    equal(run(["resolvable"], blind)[0], blind, "it judges senders")
    for wrong in (["-t", "0"], ["-t", "61"], ["-s", "none"], ["-a", "250 ok"],
                  ["-n", ""], ["-n", "x", "-a", "550 no"], ["x"], ["-z"]):
        fails(["resolvable", *wrong], 100, "usage:")
    place = dns.place
    dns.end()
    ok(run(["resolvable", "-s", place, "-t", "1"],
           b"MAIL FROM:<a@mx.example>\n")[0].startswith(LATER), "DNS away: 451")


with server(ZONES) as here:
    test_verdicts(here)
    test_memory()
    test_options(here)
done()
