#!/usr/bin/env python3
"""feed-mbox and feed-maildir: an archive goes through a pipeline, and what was
answered is counted."""
import mailbox
import os
import pty
import select
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, "tests/e2e/lib")
from dirqueue import (BUILD, DEADLINE_S, Top, done, equal, jobs,  # noqa: E402
                      message, ok, wait_for)

MBOX = BUILD + "/feed-mbox"
MAILDIR = BUILD + "/feed-maildir"
NULL = BUILD + "/deliver-null"
BODIES = [b"Subject: 1\n\nFrom me\n>From you\n\n\n", b"\n", b"",
          b"Subject: 4\n\n" + b"x" * 300000 + b"\n>>>>From \n",
          b"Subject: 5\n\n" + b"From y\n\n" * 30000,
          *[b"x" * i + b">From " * 30000 + b"\n" for i in range(1, 7)]]


def run(*arguments, **options):
    result = subprocess.run(arguments, capture_output=True, check=False,
                            timeout=DEADLINE_S, **options)
    return result.returncode, result.stdout.decode(), result.stderr.decode()


def put(path, data):
    with open(path, "wb") as file:
        file.write(data)


def archive(bodies=tuple(BODIES)):
    subprocess.run([BUILD + "/deliver-mbox", "box"], check=True,
                   input=b"".join(message(body) for body in bodies),
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def table(*rows):
    return "".join("%10d  %s\n" % row for row in rows)


def stored(name="queue"):
    """(sender, recipients, body) of each job."""
    return [(value.get(b"mail_from"), value.get(b"rcpt_to"), data)
            for value, data in jobs(name).values()]


def test_round():
    """What deliver-mbox wrote comes out."""
    archive()
    os.mkdir("queue")
    code, out, err = run(MBOX, "box", "--", BUILD + "/deliver-dirqueue",
                         "queue")
    equal((code, out, err.count("\n")),
          (0, table((11, "250"), (11, "messages")), 11), "mbox: messages")
    ok(sorted(body for _, _, body in stored()) == sorted(BODIES),
       "byte for byte")
    equal({job[:2] for job in stored()}, {(b"a@b", b"postmaster")},
          "the separator's sender, to the postmaster")
    put("other", b"From x y\n\nA: b\nFrom c\n\n>From d\nFrom e")
    os.mkdir("other-queue")
    run(MBOX, "other", BUILD + "/deliver-dirqueue", "other-queue")
    equal(stored("other-queue")[0][2], b"\nA: b\nFrom c\n\nFrom d\nFrom e",
          "From in a paragraph is none; the file may end in a line")
    put("empty", b"")
    equal(run(MBOX, "empty", NULL)[:2], (0, table((0, "messages"))),
          "an empty file")
    put("other", b"no mbox\n")
    equal(run(MBOX, "other", NULL)[::2],
          (100, "feed-mbox: fatal: no mbox file: other\n"), "no mbox")
    equal(run(MBOX, "none", NULL)[0], 111, "no file")


def test_line_ends():
    """Of another system: CR LF."""
    put("box", b"From a@b Sat\r\nSubject: 1\r\n\r\n\r\nFromage\r\n\r\n"
        b"From c@d Sat\r\nSubject: 2\r\n\r\nx\r\n\r\n")
    os.mkdir("queue")
    run(MBOX, "box", "--", BUILD + "/deliver-dirqueue", "queue")
    equal(sorted((sender, body) for sender, _, body in stored()),
          [(b"a@b", b"Subject: 1\r\n\r\n\r\nFromage\r\n"),
           (b"c@d", b"Subject: 2\r\n\r\nx\r\n")],
          "a line that is but CR LF ends a message, too")


def test_maildir():
    os.mkdir("queue")
    box = mailbox.Maildir("dir")
    for i in range(3):
        box.add(b"Subject: %d\n\nFrom x\n" % i)
    os.rename("dir/new/" + min(os.listdir("dir/new")), "dir/cur/x:2,S")
    os.mkdir("dir/new/directory")
    put("dir/new/.hidden", b"")
    code, out, err = run(MAILDIR, "-v", "dir", BUILD + "/deliver-dirqueue",
                         "queue")
    ok(code == 111 and "not a regular file" in err, "maildir: a directory in it")
    ok(out.startswith("dir/cur/x:2,S: 250\ndir/new/") and
       out.endswith(table((3, "250"), (3, "messages"))), "-v, and the table")
    equal(sorted(job[2] for job in stored()),
          [b"Subject: %d\n\nFrom x\n" % i for i in range(3)], "as they are")
    os.rmdir("dir/new/directory")
    equal(run(MAILDIR, "dir", NULL)[:2],
          (0, table((3, "250"), (3, "messages"))), "again")
    equal(run(MAILDIR, ".", NULL)[0], 100, "no maildir")


def test_envelope():
    def got(head, *options):
        put("box", b"From z@z Sat Nov 21 07:28:38 2026\n" + head + b"\n")
        shutil.rmtree("queue", ignore_errors=True)
        os.mkdir("queue")
        run(MBOX, *options, "box", BUILD + "/deliver-dirqueue", "queue")
        return b" ".join(stored()[0][:2])

    equal(got(b"Return-Path: <a@b>\nX-Original-To: c@d\nDelivered-To: e@f\n"),
          b"a@b c@d", "Return-Path, X-Original-To")
    equal(got(b"Return-Path: <a@b>\nX-Original-To: c@d\nX-Original-To: <e@f>\n"
              b"X: y\nX-Original-To: g@h\n"), b"a@b c@d\te@f",
          "... and those right behind it")
    for begin in (b"X-Original-To: evil@x\n", b" x\n", b"Return-Path: <e@x>\n"):
        subprocess.run([BUILD + "/deliver-mbox", "-e", "made"],
                       input=b"MAIL FROM:<a@b>\nRCPT TO:<c@d>\nRCPT TO:<e@f>\n"
                       b"BDAT %d LAST\n%s" % (len(begin), begin), check=True,
                       stdout=-3, stderr=-3)
        shutil.rmtree("queue")
        os.mkdir("queue")
        run(MBOX, "made", BUILD + "/deliver-dirqueue", "queue")
        equal(b" ".join(stored()[0][:2]), b"a@b c@d\te@f",
              f"deliver-mbox -e, before {begin}")
        os.unlink("made")
    equal(got(b"Return-Path: <>\nDelivered-To: e@f\nDelivered-To: g@h\n"),
          b" e@f", "null, the first Delivered-To")
    equal(got(b"Return-Path: a b\n"), b"z@z postmaster", "none of them")
    equal(got(b"Return-Path: <a@b>\n", "-s", "s@t", "-r", "r@t", "-r", "<q@t>"),
          b"s@t r@t\tq@t", "-s, -r")
    equal(got(b"Return-Path: <a@b>\n", "-s", ""), b" postmaster", "-s ''")


def test_verdicts():
    put("rules", b"")
    script = ("import sys\n"
              "for line in sys.stdin.buffer:\n"
              "  word = line.split()[0]\n"
              "  if word == b'RCPT':\n"
              "    print('450 4.2.0 later' if b'later' in line else '250 ok')\n"
              "  elif word == b'BDAT':\n"
              "    text = sys.stdin.buffer.read(int(line.split()[1]))\n"
              "    if b'crash' in text: sys.exit(1)\n"
              "    if b'hang' in text: sys.stdin.buffer.read()\n"
              "    print('550 5.7.1 spam' if b'spam' in text else '250 ok')\n"
              "  elif word == b'MAIL': print(line.decode(), end='')\n"
              "  sys.stdout.flush()\n")
    put("stage.py", script.encode())
    stage = (sys.executable, "-S", "-E", "stage.py")
    archive([b"spam\n", b"ham\n", b"spam\n", b"ham\n", b"ham\n"])
    code, out, _ = run(MBOX, "box", *stage)
    equal((code, out), (1, table((3, "250"), (2, "550 5.7.1 spam"),
                                 (5, "messages"))), "some refused: 1")
    code, out, _ = run(MBOX, "-r", "later@x", "box", *stage)
    equal((code, out), (1, table((5, "450 4.2.0 later"), (5, "messages"))),
          "all later: 1")
    archive([b"crash\n", b"ham\n"])
    code, out, err = run(MBOX, "box", *stage)
    equal((code, out), (111, table((4, "250"), (2, "550 5.7.1 spam"),
                                   (1, "none: the pipeline failed"),
                                   (7, "messages"))), "a crash: 111, goes on")
    ok("the pipeline failed message=box:6 error=" in err, "... and says so")
    os.unlink("box")
    archive([b"hang\n", b"ham\n"])
    for limit_s in ("1", "10", "25"):  # a stage starts in it, too
        code, out, err = run(MBOX, "-t", limit_s, "box", *stage)
        if "  250\n" in out:
            break
    ok(code == 111 and "it takes too long" in err and "  250\n" in out,
       "-t: a message that hangs")
    os.unlink("box")
    archive([b"crash\n"] * 12)
    equal(run(MBOX, "box", *stage)[1],
          table((10, "none: the pipeline failed"), (10, "messages")),
          "gives up after ten in a row")
    os.unlink("box")
    archive([*[b"crash\n"] * 6, b"ham\n"] * 2)
    equal(run(MBOX, "box", *stage)[1],
          table((12, "none: the pipeline failed"), (2, "250"),
                (14, "messages")), "not after ten in all")
    equal(run(MBOX, "box", "./none")[0], 111, "no such stage")
    os.mkdir("control")
    put("control/pipeline", (NULL + " -n no\n" + NULL + "\n").encode())
    equal(run(MBOX, "box")[:2], (0, table((14, "250"), (14, "messages"))),
          "control/pipeline")


def test_signal():
    archive([b"x\n"] * 3)
    one = subprocess.Popen([MBOX, "box", "sh", "-c", "echo >at; exec sleep 99"],
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    wait_for(lambda: os.path.exists("at"), "a stage that does nothing")
    one.send_signal(signal.SIGTERM)
    equal((one.communicate(timeout=DEADLINE_S)[0].decode(), one.returncode),
          (table((1, "none: the pipeline failed"), (1, "messages")), 111),
          "SIGTERM: the table, 111")


def test_signal_late():
    """A signal, and the answer is there already: it counts."""
    archive([b"x\n"] * 3)
    put("stage", b"""echo >at
while [ ! -e go ]; do sleep 0.01; done
printf '250 a\\n250 b\\n250 c\\n'
echo >said
exec cat >/dev/null
""")
    one = subprocess.Popen([MBOX, "box", "sh", "stage"],
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    wait_for(lambda: os.path.exists("at"), "a message on its way")
    one.send_signal(signal.SIGSTOP)
    put("go", b"")
    wait_for(lambda: os.path.exists("said"), "its answer")
    one.send_signal(signal.SIGTERM)
    one.send_signal(signal.SIGCONT)
    equal((one.communicate(timeout=DEADLINE_S)[0].decode(), one.returncode),
          (table((1, "250"), (1, "messages")), 111), "the table has it, 111")


def test_bar():
    archive([b"x\n"] * 3)
    head, tail = pty.openpty()
    one = subprocess.Popen([MBOX, "box", NULL], stdout=subprocess.DEVNULL,
                           stderr=tail)
    os.close(tail)
    screen = b""
    try:
        while select.select([head], [], [], DEADLINE_S)[0]:
            screen += os.read(head, 4096)
    except OSError:  # it has ended
        pass
    one.wait()
    ok(b"\r[####" in screen and b"\r\033[K" in screen,
       "a bar on a terminal, taken away at the end")


def test_usage():
    for program in (MBOX, MAILDIR):
        for arguments in ((), ("-t", "0", "x"), ("-t", "86401", "x"),
                          ("-r", "", "x"), ("-r", "a b", "x"),
                          ("-s", "a b", "x"), ("-z", "x")):
            equal(run(program, *arguments)[0], 100,
                  os.path.basename(program) + " " + " ".join(arguments))
    equal(run(MAILDIR, "-d", "/tmp", "x")[0], 100, "feed-maildir has no -d")


for test in (test_round, test_line_ends, test_maildir, test_envelope,
             test_verdicts, test_signal, test_signal_late, test_bar,
             test_usage):
    with Top():
        test()
done()
