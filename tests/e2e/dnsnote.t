#!/usr/bin/env python3
"""dnsnote(8): what the DNS says of a client, as notes in the environment."""
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
from dirqueue import BUILD, DEADLINE_S, done, equal, ok  # noqa: E402
from dnstest import A, AAAA, PTR, server  # noqa: E402

PROGRAM = os.path.abspath(BUILD) + "/dnsnote"
V6 = "2001:db8::a:1"
NIBBLES = "1.0.0.0.a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2"
REVERSE = "%s.2.0.192.in-addr.arpa"


def run(ip, *arguments, **more):
    environment = {key: value for key, value in os.environ.items()
                   if not key.startswith(("TCP", "XNOTE"))}
    environment.update(more)
    if ip:
        environment["TCPREMOTEIP"] = ip
    return subprocess.run([PROGRAM, *arguments], env=environment,
                          capture_output=True, timeout=DEADLINE_S,
                          check=False)


def notes(ip, *arguments, **more):
    ended = run(ip, *arguments, "env", **more)
    found = {}
    for line in ended.stdout.decode("latin-1").splitlines():
        if line.startswith("XNOTE_"):
            key, _, value = line[6:].partition("=")
            found[key] = value
    return found


SILENT = ["silent%d.example" % i for i in range(30)]
LATE_S = 3  # for what stays unanswered; the rest has much more
PATIENT = ("-t", "30")


def zone(names):
    return {("%s.%s" % (name, where), A): values
            for name, where, values in names}


def test_lists():
    zones = zone((
        ("1.2.0.192", "black.example", ["127.0.0.2", "127.0.0.10"]),
        ("1.2.0.192", "second.example", ["127.0.0.4"]),
        ("1.2.0.192", "white.example", ["127.0.1.3"]),
        ("1.2.0.192", "parked.example", ["198.51.100.1"]),
        ("1.2.0.192", "quota.example", ["127.255.255.254"]),
        ("1.2.0.192", "broken.example", 2),
        *(("1.2.0.192", name, None) for name in SILENT),
        ("1.2.0.192", "noise.example", b"\x81\x80\0\1\0\7garbage"),
        ("1.2.0.192", "many.example", ["127.0.0.%d" % i for i in range(30)]),
        (NIBBLES, "black.example", ["127.0.0.3"])))
    with server(zones) as dns:
        where = ("-s", dns.place, *PATIENT)
        both = ("-b", "black.example", "-b", "second.example",
                "-w", "white.example")
        equal(notes("192.0.2.1", *where, *both),
              {"dnsbl": "black.example:127.0.0.2,127.0.0.10 "
               "second.example:127.0.0.4", "dnswl": "white.example:127.0.1.3"},
              "listed")
        equal(notes("192.0.2.2", *where, *both),
              {"dnsbl": "none", "dnswl": "none"}, "not listed")
        equal(notes("::ffff:192.0.2.1", *where, "-b", "second.example"),
              {"dnsbl": "second.example:127.0.0.4"}, "IPv4 as IPv6")
        equal(notes(V6, *where, *both), {"dnsbl": "black.example:127.0.0.3",
                                         "dnswl": "none"}, "IPv6: nibbles")
        ok((NIBBLES + ".white.example", A) in dns.asked, "... all 32")
        equal(notes("192.0.2.1", *where, "-b", "parked.example", "-b",
                    "quota.example", "-b", "broken.example"),
              {"dnsbl": "parked.example:failed quota.example:failed "
               "broken.example:failed"},
              "no list's answers")
        equal(notes("192.0.2.1", *where, "-b", "many.example")["dnsbl"],
              "many.example:" + ",".join("127.0.0.%d" % i for i in range(8)),
              "the first 8 of many")
        start = time.monotonic()
        named = [word for name in SILENT for word in ("-b", name)]
        equal(notes("192.0.2.1", *where, "-t", str(LATE_S), *named, "-b",
                    "noise.example", "-b", "black.example")["dnsbl"],
              " ".join(name + ":late" for name in SILENT) +
              " noise.example:late black.example:127.0.0.2,127.0.0.10",
              "silence, noise: late, the others count")
        took = time.monotonic() - start
        asked = max(dns.asked.count(("1.2.0.192." + name, A))
                    for name in SILENT)
        # Without one, each is asked for three times, in ten seconds.
        ok(LATE_S - 0.1 < took and 0 < asked and (asked < 3 or took < 10),
           "... at the deadline (%.1f s, %d times)" % (took, asked))


def test_names():
    good, other = ["192.0.2.1"], ["192.0.2.99"]
    names = {"1": ["Mail.Example"], "2": ["a.example", "mail.example"],
             "3": ["a.example"], "4": ["nowhere.example"], "5": 2, "6": None,
             "7": [b"\x05ev\nil\0", b"\x04$(x)\0"], "8": ["broken.example"],
             "9": ["silent.example"], "10": [b"\0"],
             "11": [b"\xc0\x0c"], "12": [b"\x3fshort"],
             "13": ["x%d.example" % i for i in range(40)],
             "14": [(".".join(["x" * 60] * 4) + ".y")]}
    zones = {(REVERSE % key, PTR): value for key, value in names.items()}
    zones.update({("mail.example", A): good + ["192.0.2.2"],
                  ("a.example", A): other, ("broken.example", A): 2,
                  ("silent.example", A): None, (NIBBLES + ".ip6.arpa", PTR):
                  ["six.example"], ("six.example", AAAA): [V6],
                  ("six.example", A): good})
    with server(zones) as dns:
        def of(ip, *options):
            got = notes(ip, "-s", dns.place, *PATIENT, *options, "-r")
            return got.get("fcrdns"), got.get("rdns")

        def of_silent(ip):
            return of(ip, "-t", str(LATE_S))

        equal(of("192.0.2.1"), ("pass", "mail.example"), "FCrDNS")
        equal(of("192.0.2.2"), ("pass", "mail.example"), "the second name")
        equal(of("192.0.2.3"), ("fail", "a.example"), "another address")
        equal(of("192.0.2.4"), ("fail", "nowhere.example"), "no address")
        equal(of("192.0.2.77"), ("none", None), "no name")
        equal(of("192.0.2.5"), ("failed", None), "the server fails")
        equal(of("192.0.2.7"), ("fail", None), "names that are none")
        equal(of("192.0.2.8"), ("failed", "broken.example"),
              "the name's server fails")
        with ThreadPoolExecutor() as both:
            equal(list(both.map(of_silent, ("192.0.2.6", "192.0.2.9"))),
                  [("late", None), ("late", "silent.example")],
                  "silence; the name's server is silent")
        equal(of("192.0.2.10"), ("fail", None), "the root")
        equal(of("192.0.2.11")[0], "fail", "a pointer back")
        equal(of("192.0.2.12"), ("failed", None), "an answer cut short")
        before = len(dns.asked)
        equal(of("192.0.2.13"), ("fail", "x0.example"), "forty names")
        # Not all is asked only once where an answer is slow to come.
        equal(len(set(dns.asked[before:])), 5, "... four are asked for")
        equal(of("192.0.2.14")[0], "fail", "a long name")
        equal(of(V6), ("pass", "six.example"), "IPv6")


def test_away():
    with server({}) as dns:
        gone = dns.place
    wanted = {"dnsbl": "a.example:failed", "fcrdns": "failed"}
    got = notes("192.0.2.1", "-s", gone, "-t", "1", "-r", "-b", "a.example",
                XNOTE_dnsbl="old", XNOTE_rdns="old", XNOTE_other="kept")
    late = {key: value.replace("late", "failed") for key, value in got.items()}
    equal(late, {**wanted, "other": "kept"},
          "nobody there; old notes are gone, others stay")
    for ip in (None, "", "x", "192.0.2.1.2", "1.2.3.4\n"):
        ended = run(ip, "-s", gone, "-r", "-b", "a.example", "echo", "on")
        ok(ended.stdout == b"on\n" and b"no client address ip=" in
           ended.stderr, "no address (%r): the program runs" % ip)
    equal(run("192.0.2.1", "-s", gone, "sh", "-c", "exit 7").returncode, 7,
          "nothing to ask: the program is it")


def test_usage():
    for wrong in ([], ["-t", "0", "true"], ["-t", "61", "true"], ["-b", "x"],
                  ["-b", "a..b", "true"], ["-b", "a b", "true"],
                  ["-w", "x" * 64, "true"], ["-b", "", "true"],
                  ["-s", "nonsense", "true"], ["-z", "true"],
                  ["-b", "x"] * 33 + ["true"]):
        ended = run("192.0.2.1", *wrong)
        ok(ended.returncode == 100 and b"usage:" in ended.stderr,
           "usage: %r" % " ".join(wrong)[:30])
    ended = run("192.0.2.1", "-s", "127.0.0.1", "/nonexistent")
    ok(ended.returncode == 111 and b"unable to run /nonexistent" in
       ended.stderr, "no such program")


test_lists()
test_names()
test_away()
test_usage()
done()
