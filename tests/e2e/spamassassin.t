#!/usr/bin/env python3
"""spamassassin(8), with spamd and with daemons that only seem to be one."""
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
from filtertest import Fake, MAIL, Top, answers_at, busy, daemon, done, \
    equal, fails, free_port, judge, message, ok, run  # noqa: E402

LATER = b"451 4.3.0 Temporary failure, try again later"
REFUSED = b"554 5.7.1 Message refused"
HAM = b"Subject: one\nTo: x\n\nhello\n"
SPAM = b"Subject: two\n folded\nTo: x\n\nplease BUY THIS TRAP\n"
RULES = """required_score 5
report_safe 1
add_header all Status "_YESNO_, score=_SCORE_ required=_REQD_ tests=_TESTS_"
body TRAP_SPAM /BUY THIS TRAP/
score TRAP_SPAM 7.5
header TRAP_HAM Subject =~ /friend/
score TRAP_HAM -2
"""
RESET = "unable to read from spamd: Connection reset by peer"


def log(event, problem):
    return 'spamassassin: %s problem="%s"\n' % (event, problem)


def with_spamd(top):
    port = free_port()
    place = "127.0.0.1:%d" % port
    os.mkdir("rules")
    os.mkdir("site")
    with open("rules/10.cf", "w") as rules:
        rules.write(RULES)
    with open("site/init.pre", "w") as plugins:
        plugins.write("loadplugin Mail::SpamAssassin::Plugin::Check\n")
    # Its children change to a user who may read this.
    os.chmod(top, 0o755)
    with daemon(["/usr/sbin/spamd", "-L", "-x", "-i", place, "-m", "1",
                 "--min-children=1", "-s", "stderr", "-H", top, "-C",
                 top + "/rules", "--siteconfigpath=" + top + "/site"],
                lambda: answers_at(place), "out"):
        marks(["spamassassin", "-s", place])
        scores(["spamassassin", "-s", place])


def marks(command):
    got, said = judge(command, message(HAM), message(SPAM))
    equal((len(got), said), (2, ""), "both pass")
    for body, sent, sign in ((got[0], HAM, b"No, score=0.0 required=5.0 "
                              b"tests=none"),
                             (got[1], SPAM, b"Yes, score=7.5 required=5.0 "
                              b"tests=TRAP_SPAM")):
        head = body[:-len(sent)]
        ok(body.endswith(sent), "the message is as it was")
        ok(b"X-Spam-Status: " + sign + b"\n" in head, sign.decode()[:10])
        ok(b"X-Spam-Checker-Version: SpamAssassin" in head and all(
            re.match(rb"X-Spam-|[ \t]", line) for line in head.splitlines()),
           "only X-Spam- fields are new")
        ok(b"\r" not in body, "LF line ends")
    forged = b"X-Spam-Status: No, score=-99\n\tby me\nx-spam-flag: NO\n"
    got = judge(command, message(forged + SPAM + forged))[0][0]
    ok(got.endswith(SPAM + forged) and got.count(b"-99") == 1
       and b"X-Spam-Status: Yes" in got, "the client's own are dropped")
    long = b"A: " + b"x" * 90000 + b"\n" + SPAM
    got = judge(command, message(long))[0][0]
    ok(got.endswith(long) and b"X-Spam-Status: Yes" in got, "a long header")
    for odd in (b"", b"\n", b"no header", b"A: b\nX-Spa", b"\0\r\377" * 999):
        got = judge(command, message(odd))[0]
        ok(got and got[0].endswith(odd) and b"X-Spam-Status: No" in got[0],
           "odd: %r" % odd[:10])


def scores(command):
    for limit, answer in (("5", True), ("7.5", True), ("7.501", False),
                          ("10", False), ("-3", True)):
        got, said = judge([*command, "-r", limit], message(SPAM))
        if answer:
            equal((got, said),
                  ([REFUSED], "spamassassin: refused score=7.500\n"),
                  "7.5 is refused from %s on" % limit)
        else:
            ok(got[0].endswith(SPAM) and not said, "not from " + limit)
    friend = HAM.replace(b"one", b"friend")
    equal(judge([*command, "-r", "-2.5"], message(friend)),
          ([REFUSED], "spamassassin: refused score=-2.000\n"), "below zero")
    equal(run([*command, "-r", "5"], MAIL + b"BDAT 9\n" + SPAM[:9]
              + b"BDAT %d LAST\n" % (len(SPAM) - 9) + SPAM[9:])[0],
          MAIL + REFUSED + b"\n", "not a byte of it went on")


def sizes(top):
    """Over -m nobody is asked; the client's marks do not pass all the same."""
    command = ["spamassassin", "-s", top + "/none", "-m", "1000"]
    forged = b"X-Spam-Flag: NO\n"
    for size in (1000, 1001, 200000):
        body = HAM + b"x" * (size - len(HAM) - len(forged))
        equal(judge(command, message(forged + body)),
              ([body], log("passed unscanned", "the message is too big"))
              if size > 1000 else
              ([LATER], log("not scanned", "unable to connect to spamd: "
                            "No such file or directory")), "%d bytes" % size)
    out = run(command, MAIL + b"BDAT 9\nX-Spam-A:BDAT 995\n" + b"x" * 994
              + b"\nBDAT 1 LAST\ny")[0]
    equal(out, MAIL + b"BDAT 1\nyBDAT 0 LAST\n", "in pieces")


def fails_so(place, problem, name, *options, body=HAM):
    start = time.monotonic()
    equal(judge(["spamassassin", "-s", place, *options], message(body)),
          ([LATER], log("not scanned", problem)), name)
    took = time.monotonic() - start
    if not options:
        equal(judge(["spamassassin", "-p", "-s", place],
                    message(b"X-Spam-Flag: NO\n" + body)),
              ([body], log("passed unscanned", problem)), "... with -p")
    return took


def read_request(connection):
    """The head and the message that a client of spamd sent."""
    file = connection.makefile("rb")
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += file.readline()
    n = int(re.search(rb"Content-length: (\d+)", head)[1])
    return head, file.read(n)


def says(reply):
    def talk(connection):
        read_request(connection)
        connection.sendall(reply)
    return talk


def reply(header, score=b"False ; 1.0 / 5.0", length=None):
    return b"SPAMD/1.1 0 EX_OK\r\nContent-length: %d\r\nSpam: %s\r\n\r\n%s" % (
        len(header) if length is None else length, score, header)


def away(top):
    fails_so(top + "/none",
             "unable to connect to spamd: No such file or directory",
             "no socket")
    fails_so("127.0.0.1:%d" % free_port(),
             "unable to connect to spamd: Connection refused", "no port")
    with busy(top + "/busy") as place:
        took = fails_so(place, "unable to connect to spamd: Connection timed"
                        " out", "busy", "-t", "1")
        ok(0.9 < took < 20, "... at the deadline (%.1f s)" % took)
    with Fake(lambda connection: None) as place:
        fails_so(place, RESET, "hangs up", body=b"A: b\n\n" + b"x" * 400000)


def slow():
    def mute(connection):
        read_request(connection)
        return "keep"

    def drip(connection):
        read_request(connection)
        for byte in reply(b"X-Spam-Flag: NO\n\n" * 9):
            time.sleep(0.1)
            connection.sendall(bytes([byte]))
        return "keep"
    for talk, name in ((mute, "never says a word"), (drip, "byte by byte")):
        with Fake(talk) as place:
            fails_so(place, "unable to read from spamd: Connection timed out",
                     name, "-t", "1")


def garbage():
    good = reply(b"X-Spam-Flag: NO\n\n")
    for bad in (b"", b"SPAMD/1.1 0", good[:-1], good.replace(b"17", b"18"),
                b"SPAMD/1.1 0 EX_OK\r\n", b"SPAMD/1.1 76 Bad header line\r\n"):
        with Fake(says(bad)) as place:
            fails_so(place, RESET, "no whole reply: %r" % bad[:20])
    for bad, words in (
            (b"SPAMD/1.1 76 Bad line: x\r\n\r\n", "SPAMD/1.1 76 Bad line: x"),
            (b"SPAMD/1.1 01 x\r\n\r\n", "SPAMD/1.1 01 x"),
            (b"SPAMD/1.1 x\r\n\r\n", "SPAMD/1.1 x"),
            (b"hello there\n\n", "hello there"),
            (b'a "\377\n\n', "a \\x22\\xff"),
            (good.replace(b"1.0", b"x"), "no score"),
            (good.replace(b"1.0", b"nan"), "no score"),
            (good.replace(b"1.0 /", b"1.0"), "no score"),
            (good.replace(b"Spam:", b"Ham:"), "no score"),
            (good.replace(b"Content-l", b"L"), "no score"),
            (good.replace(b"17", b"17x"), "no score")):
        with Fake(says(bad)) as place:
            fails_so(place, "unable to scan, spamd says: " + words,
                     "no verdict: %r" % bad[:40])
    with Fake(says(b"x" * 70000 + b"\n\n")) as place:
        got, said = judge(["spamassassin", "-s", place], message(HAM))
        ok(got == [LATER] and len(said) < 400, "a line of 70000 bytes")


def fields():
    """Only whole X-Spam- fields of what spamd says get into a message."""
    header = b"Subject: x\r\nX-Spam-A: 1\r\n\t2\r\nTo: y\nX-Spam-B: 3\n\n"
    seen = []

    def keep(connection):
        seen.append(read_request(connection))
        connection.sendall(reply(header))
    with Fake(keep) as place:
        equal(judge(["spamassassin", "-s", place], message(HAM),
                    message(SPAM * 3000), message(b"")),
              ([b"X-Spam-A: 1\n\t2\nX-Spam-B: 3\n" + body
                for body in (HAM, SPAM * 3000, b"")], ""), "fields")
    equal(seen, [(b"HEADERS SPAMC/1.5\r\nContent-length: %d\r\n\r\n"
                  % len(body), body) for body in (HAM, SPAM * 3000, b"")],
          "what spamd sees")
    for tail in (b"", b"X-Spam-B: x"):
        with Fake(says(reply(b"X-Spam-A: 1\n" + tail))) as place:
            equal(judge(["spamassassin", "-s", place], message(HAM))[0],
                  [b"X-Spam-A: 1\n" + HAM], "a header without an end")


def spool(top):
    gone = {**os.environ, "TMPDIR": top + "/gone"}
    with Fake(says(reply(b""))) as place:
        equal(judge(["spamassassin", "-p", "-s", place], message(b"x" * 99999),
                    message(HAM), env=gone),
              ([LATER, HAM], log("not scanned", "No such file or directory")),
              "no room to keep it")


def usage():
    for wrong in (["-r", ""], ["-r", "x"], ["-r", "5x"], ["-r", "5."],
                  ["-t", "0"], ["-t", "86401"], ["-m", "x"], ["-s", "x"],
                  ["-m", "1073741825"], ["-x"], ["x"]):
        fails(["spamassassin", *wrong], 100, "usage:")


with Top() as directory:
    with_spamd(directory)
    sizes(directory)
    away(directory)
    slow()
    garbage()
    fields()
    spool(directory)
    usage()
done()
