#!/usr/bin/env python3
"""discard-virus(8), with clamd and with daemons that only seem to be one."""
import base64
import os
import signal
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
from filtertest import Fake, MAIL, Top, answers_at, busy, daemon, done, \
    equal, fails, free_port, judge, message, ok, path, run  # noqa: E402

LATER = b"451 4.3.0 Temporary failure, try again later"
DISCARDED = b"250 2.0.0 discarded"
# Halved, so that no scanner takes this file for the test virus.
EICAR = (b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-"
         + b"ANTIVIRUS-TEST-FILE!$H+H*")
MIME = (b"From: a@b\nTo: c@d\nSubject: x\nMIME-Version: 1.0\n"
        b"Content-Type: multipart/mixed; boundary=b\n\n--b\n"
        b"Content-Type: application/octet-stream; name=x\n"
        b"Content-Transfer-Encoding: base64\n"
        b"Content-Disposition: attachment; filename=x\n\n%s\n--b--\n"
        % base64.b64encode(EICAR))
RESET = "unable to read from clamd: Connection reset by peer"
CONFIGURATION = """LocalSocket {0}/clamd
TCPSocket {1}
TCPAddr 127.0.0.1
DatabaseDirectory {0}/db
TemporaryDirectory {0}
StreamMaxLength 200K
Foreground yes
"""


def log(words):
    return "discard-virus: %s\n" % words


def with_clamd(top):
    place = top + "/clamd"
    port = free_port()
    os.mkdir("db")
    with open("db/trap.hdb", "w") as signatures:
        signatures.write("44d88612fea8a8f36de82e1278abb02f:68:Trap.Test\n")
    with open("conf", "w") as conf:
        conf.write(CONFIGURATION.format(top, port))
    found = log('discarded virus=Trap.Test.UNOFFICIAL answer="250 2.0.0 '
                'discarded"')
    with daemon(["/usr/sbin/clamd", "-c", top + "/conf"],
                lambda: os.path.exists(place) and answers_at(place) and
                answers_at("127.0.0.1:%d" % port), "out"):
        for where in (place, "localhost:%d" % port, "127.0.0.1:%d" % port):
            equal(judge(["discard-virus", "-s", where], message(EICAR),
                        message(b"hi\n"), message(MIME), message(b"")),
                  ([DISCARDED, b"hi\n", DISCARDED, b""], found * 2),
                  "clamd at " + where.replace(top, ""))
        out = run(["discard-virus", "-s", place],
                  MAIL + b"BDAT 30\n" + EICAR[:30] + b"BDAT 38 LAST\n"
                  + EICAR[30:])[0]
        ok(out.endswith(b"RSET\n" + DISCARDED + b"\n"),
           "what went on is taken back")
        equal(judge(["discard-virus", "-ps", place, "-a", "554 5.7.1 no"],
                    message(EICAR))[0], [b"554 5.7.1 no"],
              "-p passes no virus; another answer")
        big = b"x" * 150000
        equal(judge(["discard-virus", "-s", place], message(big)),
              ([big], ""), "more than is kept in memory")
        limit(place)


def limit(place):
    """Over StreamMaxLength."""
    big = b"x" * 3000000
    problem = 'problem="unable to scan, clamd says: INSTREAM size limit ' \
              'exceeded. ERROR"'
    equal(judge(["discard-virus", "-s", place], message(big), message(b"x")),
          ([LATER, b"x"], log("not scanned " + problem)), "clamd's limit")
    equal(judge(["discard-virus", "-ps", place], message(big), message(b"x")),
          ([big, b"x"], log("passed unscanned " + problem)), "... with -p")


def fails_so(place, problem, name, *options, body=b"hi\n", other=None):
    """other: a problem that on a busy machine may come before this one."""
    words = 'problem="%s"' % problem
    start = time.monotonic()
    found, said = judge(["discard-virus", "-s", place, *options],
                        message(body))
    took = time.monotonic() - start
    if other and said == log('not scanned problem="%s"' % other):
        said = log("not scanned " + words)
    equal((found, said), ([LATER], log("not scanned " + words)), name)
    if not options:
        equal(judge(["discard-virus", "-p", "-s", place], message(body)),
              ([body], log("passed unscanned " + words)), "... with -p")
    return took


def read_stream(connection):
    """What a client of clamd sent."""
    file = connection.makefile("rb")
    assert file.read(10) == b"zINSTREAM\0"
    body = b""
    while True:
        n = struct.unpack(">I", file.read(4))[0]
        if not n:
            return body
        body += file.read(n)


def says(reply):
    def talk(connection):
        read_stream(connection)
        connection.sendall(reply)
    return talk


def stopped(place):
    """A stop in connect(2), which the kernel does not begin anew there."""
    with subprocess.Popen([path("discard-virus"), "-s", place, "-t", "3"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        process.stdin.write(message(b"hi\n"))
        process.stdin.flush()
        for _ in range(10):
            time.sleep(0.05)
            process.send_signal(signal.SIGSTOP)
            process.send_signal(signal.SIGCONT)
        said = process.communicate(timeout=60)[1].decode()
    equal(said, log('not scanned problem="unable to connect to clamd: '
                    'Connection timed out"'), "stopped meanwhile")


def away(top):
    fails_so(top + "/none",
             "unable to connect to clamd: No such file or directory",
             "no socket")
    fails_so("127.0.0.1:%d" % free_port(),
             "unable to connect to clamd: Connection refused", "no port")
    with busy(top + "/busy") as place:
        took = fails_so(place, "unable to connect to clamd: Connection timed"
                        " out", "busy", "-t", "1")
        ok(0.9 < took < 50, "... at the deadline (%.1f s)" % took)
        stopped(place)
    with Fake(lambda connection: None) as place:
        fails_so(place, RESET, "hangs up", body=b"x" * 5000000)


def slow():
    def mute(connection):
        read_stream(connection)
        return "keep"

    def deaf(_):
        return "keep"

    def drip(connection):
        read_stream(connection)
        for byte in b"stream: it is OK, I am sure, do wait":
            time.sleep(0.1)
            connection.sendall(bytes([byte]))
        return "keep"
    for talk, name, size in ((mute, "never says a word", 3),
                             (drip, "byte by byte", 3),
                             (deaf, "never reads", 9000000)):
        with Fake(talk) as place:
            late = "unable to %s clamd: Connection timed out"
            fails_so(place, late % ("send to" if talk is deaf else "read from"),
                     name, "-t", "1", body=b"x" * size, other=late % "send to")


def garbage():
    for reply in (b"", b"stream: OK", b"stream: ", b"stream: X FOUND",
                  b"x" * 1023):
        with Fake(says(reply)) as place:
            fails_so(place, RESET, "no whole reply: %r" % reply[:20])
    for reply in (b"x" * 1024, b"x" * 5000 + b"\0"):
        with Fake(says(reply)) as place:
            fails_so(place, "unable to read from clamd: Protocol error",
                     "too long a reply")
    for reply in (b"", b"OK", b"stream: ok", b"stream: OK ", b"FOUND",
                  b"stream: X FOUND.", b"other: OK", b"x" * 200):
        with Fake(says(reply + b"\0")) as place:
            fails_so(place, "unable to scan, clamd says: " + reply.decode(),
                     "no verdict: %r" % reply[:20])
    with Fake(says(b'stream: a"b\n\xff.1 FOUND\0')) as place:
        equal(judge(["discard-virus", "-s", place], message(b"hi")),
              ([DISCARDED], log('discarded virus=a\\x22b\\x0a\\xff.1 answer="'
                                '250 2.0.0 discarded"')), "names are escaped")


def whole():
    """clamd sees each message as it came."""
    seen = []

    def keep(connection):
        seen.append(read_stream(connection))
        connection.sendall(b"stream: OK\0")
    bodies = [b"x\0" * size for size in (0, 1, 32767, 32768, 32769, 65536,
                                         300000)]
    with Fake(keep) as place:
        judge(["discard-virus", "-s", place], *map(message, bodies))
        run(["discard-virus", "-s", place],
            MAIL + b"BDAT 3\nabcRSET\n" + MAIL + b"BDAT 1\nxBDAT 1 LAST\ny")
    ok(seen == bodies + [b"xy"], "what clamd sees")


def with_sink(top):
    """What went on to a sink is taken back: nothing of it stays."""
    def talk(connection):
        virus = b"virus" in read_stream(connection)
        connection.sendall(b"stream: X FOUND\0" if virus else b"stream: OK\0")
    for body, files in ((b"x" * 99999, 2), (b"virus" * 9999, 0)):
        queue = top + "/queue%d" % files
        os.mkdir(queue)
        with Fake(talk) as place:
            out = run(["discard-virus", "-s", place], message(body))[0]
            code = run(["deliver-dirqueue", queue], out)[2]
        held = sum(len(names) for _, _, names in os.walk(queue))
        equal((code, held), (0, files), "files in the queue: %d" % files)


def spool(top):
    os.mkdir("spool")
    gone = {**os.environ, "TMPDIR": top + "/gone"}
    big = message(b"x" * 200000)
    with Fake(says(b"stream: OK\0"), top + "/fake") as place:
        command = ["discard-virus", "-s", place]
        equal(judge(command, big, message(b"x"), env=gone),
              ([LATER, b"x"], log('not scanned problem="No such file or '
                                  'directory"')), "no room to keep it")
        equal(judge(["discard-virus", "-ps", place], big, env=gone),
              ([b"x" * 200000], log('passed unscanned problem="No such file '
                                    'or directory"')), "... with -p")
        equal(judge(command, big, env={**gone, "TMPDIR": top + "/spool"})[0],
              [b"x" * 200000], "TMPDIR")
    equal(os.listdir("spool"), [], "... holds nothing")


def usage():
    for wrong in (["-t", "0"], ["-t", "86401"], ["-t", "x"], ["-a", "no"],
                  ["x"], ["-x"], ["-s", "/" + "x" * 107]):
        fails(["discard-virus", *wrong], 100, "usage:")
    for place in ("", "x", "host:1", "127.0.0.1", "127.0.0.1:0", ":1",
                  "127.0.0.1:65536", "127.0.0.1:x", "::1:5", "[127.0.0.1]:5",
                  "[::1]", "[]:1", "[::1:5", "1.2.3.256:4"):
        fails(["discard-virus", "-s", place], 100, "usage:")
    for place in ("[::1]:5", "/" + "x" * 106, "./x", "localhost:65535"):
        equal(run(["discard-virus", "-s", place], b""), (b"", "", 0),
              "place " + place[:20])


with Top() as directory:
    with_clamd(directory)
    away(directory)
    slow()
    garbage()
    whole()
    with_sink(directory)
    spool(directory)
    usage()
done()
