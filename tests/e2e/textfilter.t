#!/usr/bin/env python3
"""textfilter(8): messages through a program's standard input and output."""
import os
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
from filtertest import MAIL, Top, done, equal, fails, judge, message, ok, \
    path, run  # noqa: E402
from dirqueue import wait_for  # noqa: E402

LATER = b"451 4.3.0 Temporary failure, try again later"
REFUSED = b"554 5.7.1 Message refused"
BIG = bytes(range(256)) * 4000


def script(text, *arguments):
    return ["textfilter", *arguments, "sh", "-c", text]


def log(problem, program="sh"):
    return 'textfilter: not filtered program=%s problem="%s"\n' % (
        program, problem)


def gone(mark, program=""):
    """Whether no process of ours with this word in its arguments lives."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as line:
                words = line.read().split(b"\0")
                if mark.encode() in words and words[0].endswith(
                        program.encode()):
                    return False
        except OSError:
            pass
    return True


def outputs():
    equal(judge(["textfilter", "cat"], message(b"hi\n"), message(b""),
                message(BIG), message(b"x")),
          ([b"hi\n", b"", BIG, b"x"], ""), "cat changes nothing")
    equal(judge(["textfilter", "tr", "a-z", "A-Z"], message(b"hi\n")),
          ([b"HI\n"], ""), "another text")
    equal(judge(["textfilter", "sh", "-c", "cat; echo x"],
                message(b"a"))[0], [b"ax\n"], "more text")
    equal(judge(["textfilter", "true"], message(BIG)), ([b""], ""),
          "no output is an empty message; it need not read")
    equal(judge(script('head -c 300000 /dev/zero; cat >/dev/null'),
                message(BIG))[0], [b"\0" * 300000],
          "a program that writes before it reads")
    equal(judge(script('exec >&-; n=$(wc -c); [ "$n" -eq 1024000 ]'),
                message(BIG)), ([b""], ""),
          "all of the input, though the output is closed")
    equal(judge(["textfilter", "cat"], MAIL,
                b"BDAT 2\nabBDAT 2\ncdBDAT 0 LAST\n",
                MAIL, b"BDAT 2\nxyRSET\n", message(b"z"))[0],
          [b"abcd", b"z"], "in pieces; RSET forgets")


def nothing_early():
    """Not a byte goes on before exit 0 is known."""
    for code, answer in ((100, REFUSED), (1, LATER), (111, LATER)):
        out, said, _ = run(script("cat; exit %d" % code), message(BIG))
        equal(out, MAIL + answer + b"\n", "exit %d: no byte goes on" % code)
        equal(said, "textfilter: refused program=sh\n" if code == 100
              else log("exit code %d" % code), "... and the log")
    equal(judge(script("cat; exit 99"), b"XNOTE session=s1\n",
                message(b"x"))[1][:35],
          "textfilter: not filtered session=s1", "the session is logged")


def failures():
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGPIPE):
        equal(judge(script("cat; kill -%d $$" % number), message(b"x")),
              ([LATER], log("killed by signal %d" % number)),
              "signal %d" % number)
    equal(judge(["textfilter", "/nonexistent"], message(b"x")),
          ([LATER], "textfilter: fatal: unable to run /nonexistent: No such "
           "file or directory\n" + log("exit code 111", "/nonexistent")),
          "no such program")
    for n, code in ((9, True), (10, True), (11, False), (999999, False)):
        equal(judge(script("head -c %d /dev/zero" % n, "-m", "10"),
                    message(b"x")),
              ([b"\0" * n], "") if code else
              ([LATER], log("unable to keep its output: File too large")),
              "%d bytes of at most 10" % n)
    equal(judge(script("yes"), message(b"x"))[0], [LATER], "yes, for ever")
    env = {**os.environ, "TMPDIR": "/nonexistent"}
    equal(judge(["textfilter", "cat"], message(BIG), env=env),
          ([LATER], log("No such file or directory", "cat")),
          "no room for the message")
    equal(judge(script("yes | head -c 99999"), message(b"x"), env=env)[0],
          [LATER], "no room for the output")


def times_out():
    mark = "6%d.5" % os.getpid()
    cases = ((["sleep", mark], b"x", "does nothing", "sleep"),
             (["sleep", mark], BIG, "does not read", "sleep"),
             (["sh", "-c", "cat; exec >&-; sleep %s; :" % mark], b"x",
              "says all, but does not end", "sh"),
             (["sh", "-c", "trap '' TERM HUP INT; sleep %s & exit 0" % mark],
              b"x", "leaves a child that holds the output", "sh"))
    for program, body, name, said in cases:
        start = time.monotonic()
        equal(judge(["textfilter", "-t", "1", *program], message(body)),
              ([LATER], log("timed out after 1 s", said)), name)
        took = time.monotonic() - start
        ok(0.9 < took < 20, "... at the deadline (%.1f s)" % took)
        wait_for(lambda: gone(mark), "the group is killed")
    equal(judge(script("sleep %s >&- 2>&- <&- & cat" % mark), message(b"x")),
          ([b"x"], ""), "a child that holds nothing")
    wait_for(lambda: gone(mark), "... is killed all the same")


def stopped():
    """Stopped until it is too late, while the program did its work."""
    stage = subprocess.Popen(
        [path("textfilter"), "-t", "6", "sh", "-c",
         "echo >at; while [ ! -e go ]; do sleep 0.01; done; cat; echo >said"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    stage.stdin.write(message(b"x"))
    stage.stdin.close()
    wait_for(lambda: os.path.exists("at"), "the program runs")
    stage.send_signal(signal.SIGSTOP)
    with open("go", "w", encoding="ascii"):
        pass
    wait_for(lambda: os.path.exists("said"), "it has said all")
    time.sleep(6.1)
    stage.send_signal(signal.SIGCONT)
    out = stage.stdout.read()
    stage.wait()
    ok(b"BDAT 1\nx" in out, "an output that was there in time counts")


def dies_with_the_stage():
    mark = "7%d.5" % os.getpid()
    stage = subprocess.Popen([path("textfilter"), "sleep", mark],
                             stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    stage.stdin.write(message(b"x"))
    stage.stdin.flush()
    wait_for(lambda: not gone(mark, "sleep"), "the program runs")
    stage.kill()
    stage.wait()
    stage.stdin.close()
    ok(wait_for(lambda: gone(mark), "gone"), "the program dies with its stage")


def what_it_sees(top):
    """Nothing of the envelope or the client; only its three descriptors."""
    session = b"XCLIENT ADDR=192.0.2.66 HELO=evil\nXNOTE session=seventh-of-them\n" \
        b"MAIL FROM:<evil@b>\nRCPT TO:<evil@d>\nBDAT 1 LAST\nx"
    out = judge(script("env; cat /proc/$$/cmdline"), session)[0][0]
    ok(b"PATH=" in out and b"evil" not in out and b"192.0.2" not in out
       and b"seventh-of" not in out, "no word of the client")
    out = judge(["textfilter", "cat", "/proc/self/status"], session)[0][0]
    masks = {name: int(mask, 16) for name, mask in
             re.findall(rb"Sig(Ign|Blk):\t([0-9a-f]{16})", out)}
    # a shell starts its background jobs without SIGINT and SIGQUIT, make
    # whatever it starts without the C library's own, 32 and 33
    equal((masks[b"Ign"] & 0x7ffffff9, masks[b"Blk"]), (0, 0), "signals as usual")
    listing = judge(["textfilter", "ls", "/proc/self/fd"], message(BIG))[0][0]
    # 3 is the folder that ls reads.
    equal(listing.split(), [b"0", b"1", b"2", b"3"], "no other descriptors")
    os.mkdir(top + "/spool")
    judge(["textfilter", "cat"], message(BIG),
          env={**os.environ, "TMPDIR": top + "/spool"})
    equal(os.listdir(top + "/spool"), [], "TMPDIR holds nothing afterwards")


def usage():
    for wrong in ([], ["-t", "0", "cat"], ["-t", "x", "cat"], ["-m", "cat"],
                  ["-t", "86401", "cat"], ["-x", "cat"], ["-t"]):
        fails(["textfilter", *wrong], 100, "usage:")
    equal(judge(["textfilter", "--", "cat", "-"], message(b"x")),
          ([b"x"], ""), "the program's own arguments")


with Top() as directory:
    outputs()
    nothing_early()
    failures()
    times_out()
    stopped()
    dies_with_the_stage()
    what_it_sees(directory)
    usage()
done()
