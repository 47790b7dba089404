#!/usr/bin/env python3
"""discard-large(8): a message over a size goes no further."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
from filtertest import MAIL, equal, fails, judge, message, ok, done, \
    path, run  # noqa: E402


def log(size, answer="250 2.0.0 discarded"):
    return ('discard-large: discarded rule=size most=%d answer="%s"\n'
            % (size, answer))


def sizes():
    for size in (0, 1, 9, 10):
        equal(judge(["discard-large", "-b", "10"], message(b"x" * size)),
              ([b"x" * size], ""), "%d of 10 bytes pass" % size)
    for size in (11, 12, 200000):
        equal(judge(["discard-large", "-b", "10"], message(b"x" * size)),
              ([b"250 2.0.0 discarded"], log(10)), "%d do not" % size)
    equal(judge(["discard-large", "-b", "0"], message(b""), message(b"x")),
          ([b"", b"250 2.0.0 discarded"], log(0)), "a limit of 0")
    equal(judge(["discard-large", "-b", "3"], message(b"four"),
                message(b"one"), message(b"three")),
          ([b"250 2.0.0 discarded", b"one", b"250 2.0.0 discarded"],
           log(3) * 2), "each message is counted anew")


def in_pieces():
    pieces = MAIL + b"BDAT 3\nabcBDAT 3\ndefBDAT 3 LAST\nghi"
    equal(run(["discard-large", "-b", "6"], pieces),
          (MAIL + b"BDAT 3\nabcBDAT 3\ndefRSET\n250 2.0.0 discarded\n",
           log(6), 0), "what was passed on is taken back")
    equal(run(["discard-large", "-b", "2"], pieces)[0],
          MAIL + b"250 2.0.0 discarded\n", "nothing was: no RSET")
    equal(run(["discard-large", "-b", "9"], pieces)[0],
          MAIL + b"BDAT 3\nabcBDAT 3\ndefBDAT 3\nghiBDAT 0 LAST\n",
          "together within the limit")


def answers():
    for answer in ("552 5.3.4 Message too big", "!554 no", "450"):
        shown = '"%s"' % answer if " " in answer else answer
        equal(judge(["discard-large", "-b1", "-a", answer], message(b"xx")),
              ([answer.encode()],
               "discard-large: discarded rule=size most=1 answer=%s\n"
               % shown), "answer " + answer)
    equal(judge(["discard-large", "-b1"], b"XNOTE session=s7\n",
                message(b"xx"))[1].split(" rule")[0],
          "discard-large: discarded session=s7", "the session is logged")
    for wrong in ("", "25", "354 go", "250ok", "200 a\nb", "200 \xe9",
                  "250 " + "x" * 477):
        fails(["discard-large", "-b", "1", "-a", wrong], 100, "usage:")
    equal(judge(["discard-large", "-b", "0", "-a", "250 " + "x" * 476],
                message(b"x"))[0], [b"250 " + b"x" * 476], "480 bytes")
    for wrong in (["-b", "-1"], ["-b", "x"], ["-b", "1", "x"], [], ["-x"],
                  ["-b", "18446744073709551616"]):
        fails(["discard-large", *wrong], 100, "usage:")


def memory():
    """The most memory after so many mebibytes in one message."""
    def peak(mebibytes):
        filter_ = subprocess.Popen([path("discard-large"), "-b", "999999999"],
                                   stdin=subprocess.PIPE,
                                   stdout=subprocess.DEVNULL)
        filter_.stdin.write(MAIL + b"BDAT %d\n" % (mebibytes << 20))
        for _ in range(mebibytes):
            filter_.stdin.write(b"x" * (1 << 20))
        filter_.stdin.flush()
        with open("/proc/%d/status" % filter_.pid) as status:
            kilobytes = [int(line.split()[1]) for line in status
                         if line.startswith("VmHWM")][0]
        filter_.stdin.write(b"BDAT 0 LAST\n")
        filter_.stdin.close()
        filter_.wait()
        return kilobytes
    small, big = peak(1), peak(64)
    ok(big - small < 1024, "memory does not grow (%d, %d kB)" % (small, big))


sizes()
in_pieces()
answers()
memory()
done()
