#!/usr/bin/env python3
"""deliver-command: what a program gets, and what its end means."""
import os
import re
import signal
import subprocess
import sys

sys.path.insert(0, "tests/e2e/lib")
from dirqueue import (BUILD, DEADLINE_S, Sink, Top, answers, done,  # noqa: E402
                      equal, message, ok, skip, wait_for)

PROGRAM = BUILD + "/deliver-command"


def run(data, *arguments, environment=()):
    result = subprocess.run([PROGRAM, *arguments], input=data,
                            env={**os.environ, **dict(environment)},
                            capture_output=True, timeout=DEADLINE_S,
                            check=False)
    return result.returncode, result.stdout, result.stderr.decode()


def answer(data, *arguments, **options):
    """The answer to the last message, and the log."""
    _, out, log = run(data, *arguments, **options)
    return answers(out)[-1][-1].decode(), log


def slurp(path):
    with open(path, "rb") as file:
        return file.read()


def script(name, text):
    with open(name, "w", encoding="ascii") as file:
        file.write("#!/bin/sh\n" + text)
    os.chmod(name, 0o755)
    return "./" + name


def test_message():
    body = b"From x\n.\r\n\0" + bytes(range(256)) * 2000
    copy = script("copy", 'cat >"$1"; echo "  kept: ok  "')
    last, log = answer(message(body), copy, "one")
    equal((last, slurp("one")), ("250 2.6.0 ok", body), "its bytes, on 0")
    ok(re.fullmatch(r"deliver-command: handed over program=./copy exit=0 "
                    r"recipients=1 bytes=512011 time=\d+\.\d{3} "
                    r'output="  kept: ok  \\x0a"\n', log), "its log line")
    equal(answer(message(body), "true")[0], "250 2.6.0 ok",
          "a program that does not read it")
    last, log = answer(message(b""), "sh", "-c",
                       "yes a | head -c 100000; exit 0")
    equal((last, re.search(r"output=(\S+)", log)[1]),
          ("250 2.6.0 ok", "a\\x0a" * 100), "much output: the first")
    last, log = answer(message(b""), "./none")
    ok(last.startswith("451 ") and "unable to run ./none: No such" in log,
       "no such program: 451")
    last, log = answer(message(b""), "-d", "none", "true")
    ok(last.startswith("451 ") and "make the directory" in log,
       "no such spool directory: 451")
    equal(sorted(os.listdir(".")), ["copy", "one"], "no file is left")


def test_codes():
    for code, wanted in ((0, "250"), (99, "250"), (100, "554"), (111, "451"),
                         (1, "451"), (112, "451")):
        last, log = answer(message(b"x"), "sh", "-c", f"exit {code}")
        ok(last.startswith(wanted) and f"exit={code} " in log,
           f"exit {code}: {wanted}")
    last, log = answer(message(b"x"), "sh", "-c", "kill -9 $$")
    ok(last.startswith("451 ") and "signal=9" in log, "a signal: 451")
    data = (b"MAIL FROM:<>\nRCPT TO:<a@b> NOTE=ham\nRCPT TO:<c@d>\n"
            b"BDAT 3 LAST\nabc")
    equal(run(data, "-n", "ham", "true")[1],
          b"MAIL FROM:<>\n250 2.1.5 ok\nRCPT TO:<c@d>\nBDAT 3\n"
          b"abcXNOTE queued=program\nBDAT 0 LAST\n", "-n: the others pass on")
    equal(run(data, "-n", "ham", "sh", "-c", "exit 99")[1],
          b"MAIL FROM:<>\n250 2.1.5 ok\nRCPT TO:<c@d>\nBDAT 3\n"
          b"abcRSET\n250 2.6.0 ok\n", "99: not for the stages behind")
    equal(run(data, "-n", "spam", "false")[1].count(b"BDAT"), 2,
          "-n: nobody's message runs nothing")


def test_environment():
    show = script("show", 'env | sort | grep -E "^(SENDER|RECIP)" >seen; :')
    old = {"SENDER": "old", "RECIPIENT": "old", "RECIPIENTS": "old"}

    def seen(sender, *recipients, options=()):
        data = b"MAIL FROM:<" + sender + b">\n" + b"".join(
            b"RCPT TO:<" + one + b">\n" for one in recipients)
        run(data + b"BDAT 1 LAST\nx", *options, show, environment=old)
        return slurp("seen").decode().splitlines()

    equal(seen(b"a+b=c@d", b"e@f", b"g@h"),
          ["RECIPIENT=e@f", "RECIPIENTS=e@f g@h", "SENDER=a+b=c@d"],
          "the envelope")
    equal(seen(b"", b"e@f"), ["RECIPIENT=e@f", "RECIPIENTS=e@f", "SENDER="],
          "the null sender")
    equal(seen(b'"$(x)"@d', b"-e@f", b"g;h@i", b"j@k"), ["RECIPIENTS=j@k"],
          "addresses that a shell would see are left out")
    equal(seen(b"a@b", b"e@f", options=("-E",)), [], "-E: none")


def test_queue():
    keep = script("keep", 'cat >body; cat <&1 >envelope; exit "$1"')
    data = (b'MAIL FROM:<"a b"@c>\nRCPT TO:<d@e>\nRCPT TO:<f@g>\n'
            b"BDAT 4 LAST\nx: y")
    equal((answer(data, "-q", keep, "0")[0], slurp("body"), slurp("envelope")),
          ("250 2.6.0 ok", b"x: y", b"Fa b@c\0Td@e\0Tf@g\0\0"),
          "qmail-queue: message on 0, envelope on 1")
    for code, wanted in ((11, "554"), (31, "554"), (40, "554"), (53, "451"),
                         (81, "451"), (99, "451"), (100, "451")):
        ok(answer(data, "-q", keep, str(code))[0].startswith(wanted),
           f"qmail-queue: {code}: {wanted}")


def test_limits():
    many = b"".join([message(b"x")] * 4)
    _, out, log = run(many, "-m", "3", "true")
    equal([a[-1][:9] for a in answers(out)], [b"250 2.6.0"] * 3 +
          [b"451 4.7.0"], "-m: the fourth waits")
    ok("too many messages in a minute most=3" in log, "-m: logged")
    slow = script("slow", "sleep 1000 & echo $! >child; wait")
    last, log = answer_of(slow, "child")
    ok(last.startswith("451 ") and "took too long" in log,
       "-t: 451 after one second")
    ok(wait_for(lambda: not is_running(int(slurp("child"))), "its end"),
       "-t: all its group")
    stubborn = script("stubborn", "trap '' TERM; echo >deaf; "
                      "while :; do sleep 0.1; done")
    ok("signal=9" in answer_of(stubborn, "deaf")[1],
       "-t: SIGKILL for who does not listen")
    leave = script("leave", "sleep 1000 & echo $! >left")
    last, _ = answer(message(b"x"), leave)
    left = int(slurp("left"))
    ok(last.startswith("250") and is_running(left),
       "what it leaves behind is not waited for")
    os.kill(left, signal.SIGKILL)


def answer_of(program, path):
    """To a message for a program that never ends, of a run in which it came so
    far as to write to this file: a busy machine may not let it in a second."""
    for _ in range(20):
        last, log = answer(message(b"x"), "-t", "1", program)
        if os.path.exists(path) and slurp(path):
            break
    return last, log


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().split(") ")[1][0] not in "ZX"
    except OSError:
        return False


def test_signal():
    wait = script("wait", "echo $$ >pid; exec sleep 100")
    one = Sink(wait, program=PROGRAM)
    one.send(message(b"x"))
    wait_for(lambda: os.path.exists("pid") and slurp("pid"), "it runs")
    one.process.send_signal(signal.SIGTERM)
    equal(one.end()[0], 111, "SIGTERM: 111")
    ok(wait_for(lambda: not is_running(int(slurp("pid"))), "its end"),
       "and the program ends")


def test_end_unseen():
    """Ended in time, and it is too late when that is looked at once more. With
    451 the sender would send it again."""
    if subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"],
                      check=False, stderr=subprocess.DEVNULL).returncode:
        skip("ended in time", "strace may not trace here")
        return
    result = subprocess.run(
        ["strace", "-D", "-qq", "-o", "calls", "-e", "trace=waitid",
         "-e", "inject=waitid:delay_exit=2500000:when=1", PROGRAM, "-t", "2",
         "true"], input=message(b"x"), capture_output=True, check=False,
        timeout=DEADLINE_S, env={**os.environ,
                                 "ASAN_OPTIONS": "detect_leaks=0"})
    equal(answers(result.stdout)[-1][-1], b"250 2.6.0 ok", "ended in time")


def test_usage():
    for arguments in ((), ("-m", "0", "true"), ("-m", "10001", "true"),
                      ("-t", "0", "true"), ("-t", "86401", "true"),
                      ("-n", "a b", "true"), ("-x", "true")):
        equal(run(b"", *arguments)[0], 100, "usage: " + " ".join(arguments))


for test in (test_message, test_codes, test_environment, test_queue,
             test_limits, test_signal, test_end_unseen, test_usage):
    with Top():
        test()
done()
