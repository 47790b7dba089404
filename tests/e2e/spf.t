#!/usr/bin/env python3
"""spf(8): whether a client may send for its sender, as RFC 7208."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
from dnstest import A, AAAA, MX, PTR, TXT, server  # noqa: E402
from filtertest import done, equal, fails, ok, run  # noqa: E402

NO = b"550 5.7.23 Sender's domain does not let this client send for it"
HERE, SIX = "192.0.2.1", "2001:db8::a:1"
NIBBLES = "1.0.0.0.a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2"

RECORDS = {
    "pass": "ip4:192.0.2.0/24 ip6:2001:db8::/32 -all",
    "fail": "-all", "soft": "~all", "neutral": "?all", "empty": "",
    "a": "a -all", "a6": "a:six.example -all", "mx": "mx -all",
    "ptr": "ptr -all", "include": "include:pass.example -all",
    "redirect": "redirect=fail.example", "exists": "exists:%{ir}.%{l}.e -all",
    "lost": "include:none.example -all", "wrong": "ipv4:1.2.3.4 -all",
    "loop": "include:loop.example -all", "silent": "a:quiet.example -all",
    "broken": "a:broken.example -all", "macro": "exists:%{l}.%{h}.m -all",
    "explains": "-all exp=why.example",
    "upper": None, "two": None, "many": " ".join(
        "include:d%d.example" % i for i in range(12)) + " -all",
    "bomb": " ".join(["mx:big.example"] * 9) + " -all"}
ZONES = {(key + ".example", TXT): ["hello", "v=spf1 " + text]
         for key, text in RECORDS.items() if text is not None}
ZONES.update({
    ("upper.example", TXT): ["V=SPF1 IP4:192.0.2.1 -ALL"],
    ("two.example", TXT): ["v=spf1 -all", "v=spf1 +all"],
    ("text.example", TXT): ["v=spf10 -all", "no"],
    ("a.example", A): ["198.51.100.9", HERE],
    ("six.example", AAAA): [SIX],
    ("mx.example", MX): ["x.example"], ("x.example", A): [HERE],
    ("1.2.0.192.in-addr.arpa", PTR): ["mail.ptr.example"],
    ("mail.ptr.example", A): [HERE],
    ("1.2.0.192.user.e", A): ["127.0.0.2"], ("user.helo.m", A): ["127.0.0.2"],
    ("why.example", TXT): ["%{s} is not you %{h}"],
    ("quiet.example", A): None, ("broken.example", A): 2,
    ("servfail.example", TXT): 2, ("late.example", TXT): None,
    ("helo.test", TXT): ["v=spf1 ip4:192.0.2.1 -all"],
    ("cut.example", TXT): b"\x81\x80\0\1\0\1",
    ("big.example", MX): ["m%d.example" % i for i in range(10)]})
ZONES.update({("d%d.example" % i, TXT): ["v=spf1 ?all"] for i in range(12)})
ZONES.update({("m%d.example" % i, A): ["198.51.100.1"] for i in range(10)})


def check(dns, sender, *options, ip=HERE, helo="helo.test"):
    """The note, or the answer to MAIL."""
    prefix = "IPV6:" if ":" in ip else ""
    line = b"MAIL FROM:<" + sender + b">\n"
    client = b"XCLIENT ADDR=%s HELO=%s\n" % ((prefix + ip).encode(),
                                             helo.encode())
    out, log, code = run(["spf", "-s", dns.place, "-t", "60", *options],
                         client + line + b"RCPT TO:<c@d>\nRCPT TO:<e@f>\n")
    first, _, rest = out[len(client):].partition(b"\n")
    if first + b"\n" != line or code:
        return first, log
    note, _, rest = rest.partition(b"\n")
    if rest != b"RCPT TO:<c@d>\nRCPT TO:<e@f>\n":
        return out, log
    return note.replace(b"XNOTE spf=", b"").decode(), log


def test_results(dns):
    for key, wanted in (
            ("pass", "pass"), ("fail", "fail"), ("soft", "softfail"),
            ("neutral", "neutral"), ("empty", "neutral"), ("a", "pass"),
            ("mx", "pass"), ("ptr", "pass"), ("include", "pass"),
            ("redirect", "fail"), ("exists", "pass"), ("a6", "fail"),
            ("lost", "permerror"), ("wrong", "permerror"),
            ("loop", "permerror"), ("two", "permerror"), ("many", "permerror"),
            ("upper", "pass"), ("text", "none"), ("none", "none"),
            ("broken", "temperror"), ("servfail", "temperror"),
            ("explains", "fail")):
        equal(check(dns, b"user@%s.example" % key.encode()), (wanted, ""),
              "%s: %s" % (key, wanted))
    for key, wanted in (("pass", "pass"), ("a6", "pass"), ("a", "fail")):
        equal(check(dns, b"user@%s.example" % key.encode(), ip=SIX)[0], wanted,
              "IPv6: %s" % key)
    equal(check(dns, b"user@pass.example", ip="::ffff:192.0.2.9")[0], "pass",
          "IPv4 as IPv6")
    equal(check(dns, b"user@macro.example", helo="helo")[0], "pass",
          "a macro of the greeting")


def test_identities(dns):
    equal(check(dns, b"")[0], "pass", "the null sender: the greeting's")
    equal(check(dns, b"", ip="192.0.2.2")[0], "fail", "... by address")
    for helo in ("[192.0.2.1]", "a b".replace(" ", "+20"), "x" * 200, "local"):
        equal(check(dns, b"", helo=helo)[0], "none", "none: %s" % helo[:20])
    for sender in (b"user", b"user@[192.0.2.1]", b"user@localhost",
                   "u@bücher.example".encode(), b"u@" + b"x" * 64 + b".y",
                   b"u@" + b"abc." * 70 + b"d"):
        equal(check(dns, sender)[0], "none", "none: %r" % sender[:20])
    for local in (b'"a b"', b"x" * 64, b"x" * 800, b"%{l}", b"\xff\xfe",
                  b'"' + b"\\\\" * 60 + b'"', b"a.b.c-d+e", b"." * 60):
        equal(check(dns, local + b"@exists.example")[0], "fail",
              "a local part in a question: %r" % local[:12])
    out, _, _ = run(["spf", "-s", dns.place],
                    b"MAIL FROM:<a@pass.example>\nRCPT TO:<c@d>\n")
    ok(b"XNOTE spf=none\n" in out, "no client")


def test_limits(dns):
    for key in ("silent", "late", "cut"):
        start = time.monotonic()
        equal(check(dns, b"user@%s.example" % key.encode(), "-t", "1")[0],
              "temperror", key + ": temperror")
        ok(0.9 < time.monotonic() - start < 10, "... at the deadline")
    before = len(dns.questions())
    check(dns, b"user@bomb.example")
    asked = len(dns.questions()) - before
    ok(10 < asked <= 60, "at most 60 questions (%d)" % asked)


def test_options(dns):
    equal(check(dns, b"user@fail.example", "-r"),
          (NO, "spf: refused from=user@fail.example\n"), "-r")
    equal(check(dns, b"user@fail.example", "-r", "-a", "!551 5.7.1 x")[0],
          b"!551 5.7.1 x", "-a")
    for key in ("pass", "soft", "servfail", "wrong"):
        ok(isinstance(check(dns, b"user@%s.example" % key.encode(),
                            "-r")[0], str), "-r: %s goes on" % key)
    one = b"MAIL FROM:<a@%s.example>\nRCPT TO:<c@d>\nRSET\n"
    out, _, _ = run(["spf", "-s", dns.place],
                    b"XCLIENT ADDR=192.0.2.1 HELO=h\n" + one % b"pass" +
                    one % b"fail" + b"MAIL FROM:<a@soft.example>\nRSET\n")
    equal([line for line in out.splitlines() if line.startswith(b"XN")],
          [b"XNOTE spf=pass", b"XNOTE spf=fail"], "each transaction its own")
    blind = b"XNOTE blind=0\n"
    equal((run(["spf"], blind)[0], run(["spf", "-r"], blind)[0]),
          (b"XNOTE blind=1\n", blind), "it judges senders only with -r")
    for wrong in (["-t", "0"], ["-t", "61"], ["-s", "none"], ["x"], ["-z"],
                  ["-r", "-a", "250 ok"], ["-a", "550 no"]):
        fails(["spf", *wrong], 100, "usage:")


with server(ZONES) as here:
    test_results(here)
    test_identities(here)
    test_limits(here)
    test_options(here)
done()
