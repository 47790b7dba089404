#!/usr/bin/env python3
"""What goes wrong behind, before and inside trap-smtpd: the client hears a 4xx,
the log says why, and what can go on goes on."""
import contextlib
import itertools
import os
import select
import signal
import socket
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
from smtptest import (  # noqa: E402
    ACCEPTED, DEADLINE_S, SANITIZED, Trap, done, files_under, is_same, ok,
    wait_until)

TROUBLE = b"451 4.3.0 Temporary server error\r\n"
UNAVAILABLE = b"421 4.3.0 Service not available\r\n"
TIMEOUT = b"421 4.4.2 Timeout, closing\r\n"
SHUTDOWN = b"421 4.3.2 Service shutting down\r\n"
ENVELOPE = ("MAIL FROM:<a@b.example>", "RCPT TO:<c@d.example>")
# A stage of a shell: who the client is, MAIL and RCPT, and it has said yes.
ENVELOPE_TAKEN = ("read c; read n; read m; echo 250 2.1.0 ok; "
                  "read r; echo 250 2.1.5 ok; ")


def logs(trap, *texts):
    log = trap.log()
    missing = [text for text in texts if text not in log]
    ok(not missing, "... and the log says why", f"{missing}\n{log}")


def nothing_left(trap):
    wait_until(lambda: not trap.processes())
    ok(not files_under(trap.queue) and not trap.processes(),
       "... and nothing is left", files_under(trap.queue) + trap.processes())


# ---- Stages

def test_dead(name, stages, *why, **controls):
    """A pipeline that never works: 451 at MAIL, each time; the session stays.
    """
    trap = Trap(stages, **controls)
    client = trap.connect()
    client.greet()
    is_same(client.say("MAIL FROM:<a@b.example>"), TROUBLE, name)
    is_same(client.say("MAIL FROM:<a@b.example>"), TROUBLE, "... again")
    is_same(client.say("NOOP"), b"250 2.0.0 Ok\r\n", "... the session goes on")
    client.say("QUIT")
    client.finish()
    logs(trap, "why=quit", *why)
    nothing_left(trap)


def test_dead_stages():
    sink = "deliver-dirqueue queue"
    start = "error: unable to start a stage"
    test_dead("a stage that exits 1", ["sh -c 'exit 1'"],
              'error: pipeline broken', 'why="a stage ended"',
              "stage=sh exit=1")
    test_dead("a first stage that exits 111", ["sh -c 'exit 111'", sink],
              'why="a stage ended"', "stage=sh exit=111")
    test_dead("a last stage that exits 0", ["cat", "true"],
              'why="a stage ended"', "stage=true exit=0")
    test_dead("a stage that is killed", ["sh -c 'kill -9 $$'", sink],
              "stage=sh signal=9")
    test_dead("a stage that closes its input",
              ["sh -c 'exec <&-; exec sleep 1000'"], "error: pipeline broken",
              pipelinetimeout=1)
    test_dead("a stage that does not exist", ["no-such-program"], start,
              "stage=no-such-program", "No such file or directory")
    test_dead("the second stage does not exist", [sink, "no-such-program"],
              start, "stage=no-such-program")
    test_dead("a stage that is no program", [sink, "./control/me"], start,
              "stage=./control/me", "Permission denied")
    test_dead("a stage that is a folder", ["./control", sink], start,
              "Permission denied")
    test_dead("a stage that writes an endless line",
              ["sh -c 'head -c 9000 /dev/zero; cat'"],
              'why="what comes out is no stream"')
    test_dead("a stage that writes a bad BDAT",
              ["sh -c 'echo BDAT x; cat'"], 'why="what comes out is no stream"')
    test_dead("a stage that writes half a line and ends",
              ["sh -c 'printf 250'"], 'why="a stage ended"')
    test_dead("a stage that hangs", ["sleep 1000"],
              'why="no answer in time"', pipelinetimeout=1)
    test_dead("a stage that hangs on half a line",
              ["sh -c 'printf 250; exec sleep 1000'"],
              'why="no answer in time"', pipelinetimeout=1)


def test_stubborn():
    """Not even SIGTERM ends this one."""
    trap = Trap(["sh -c 'trap : TERM; while :; do sleep 1000; done'"],
                pipelinetimeout=1)
    client = trap.connect()
    is_same(client.reply() and client.say("MAIL FROM:<>"), TROUBLE,
            "a stage that ignores SIGTERM")
    client.finish()
    ok(wait_until(lambda: not trap.processes()), "... is ended all the same",
       trap.processes())


def test_babbling():
    """At the session's end, what is still said is not listened to for ever.
    """
    trap = Trap(["sh -c 'cat; exec yes'"])
    client = trap.connect()
    client.greet()
    ok(client.say("MAIL FROM:<>").startswith(b"250"),
       "a stage that talks on behind the end")
    client.finish()
    ok(wait_until(lambda: not trap.processes()), "... is ended all the same",
       trap.processes())


def test_recovery():
    """One that fails once: the next transaction has a new pipeline."""
    once = "sh -c 'test -e once || { : >once; exit 111; }; exec cat'"
    trap = Trap([once, "deliver-dirqueue queue"])
    client = trap.connect()
    client.greet()
    is_same(client.say("MAIL FROM:<a@b.example>"), TROUBLE,
            "a stage that fails once")
    ok(client.say(*ENVELOPE, "DATA").startswith(b"354"),
       "... the next transaction works")
    ok(client.say("x\r\n.").startswith(ACCEPTED), "... to its end")
    client.finish()
    is_same([job.meta["helo"] for job in trap.jobs()], [b"client.example"],
            "... and the new pipeline knows the client")


def test_children_ignored():
    """Who starts us may ignore SIGCHLD; then the kernel would reap for us."""
    trap = Trap([f"sh -c '{ENVELOPE_TAKEN} exit 3'"])
    subprocess.run(["env", "--ignore-signal=CHLD", "trap-smtpd"], cwd=trap.dir,
                   env=trap.environment({}), stdout=subprocess.DEVNULL,
                   input="\r\n".join(("EHLO x", *ENVELOPE, "NOOP", "")).encode(),
                   stderr=trap.log_file, check=True, timeout=DEADLINE_S)
    ok("stage=sh exit=3" in trap.log(), "SIGCHLD ignored: the stage's exit code",
       trap.log())


def test_dead_after_envelope():
    """A stage that ends between RCPT and the body."""
    trap = Trap([f"sh -c '{ENVELOPE_TAKEN} exit 3'"])
    client = trap.connect()
    client.greet()
    client.say(*ENVELOPE)
    wait_until(lambda: len(trap.processes()) == 1)
    first = client.say("DATA")
    if first.startswith(b"354"):
        first = client.say("x\r\n.")
    is_same(first, TROUBLE, "a stage that ends after RCPT: 451")
    client.say("RSET")
    is_same(client.say(*ENVELOPE), b"250 2.1.5 ok\r\n",
            "... a new transaction begins with a new pipeline")
    client.finish()
    logs(trap, 'why="a stage ended"')
    nothing_left(trap)


def test_dead_in_body(verb):
    trap = Trap([f"sh -c '{ENVELOPE_TAKEN} head -c 1000 >/dev/null; exit 3'"])
    client = trap.connect(kind=socket.SOCK_STREAM)
    client.greet()
    client.say(*ENVELOPE)
    body = b"x" * 998 + b"\r\n"
    if verb == "DATA":
        client.say("DATA")
        client.send(body * 1000 + b".\r\n")
        answer = client.reply()
    else:
        answer = b""
        for _ in range(4):
            client.send(b"BDAT 250000\r\n" + body * 250)
            answer = client.reply()
            if not answer.startswith(b"250"):
                break
    is_same(answer, TROUBLE, f"a stage that ends in the body, {verb}: 451")
    if verb == "BDAT":
        is_same(client.say("BDAT 0 LAST"), TROUBLE, "... so do later chunks")
    is_same(client.say(*ENVELOPE), b"250 2.1.5 ok\r\n", "... then a new one")
    client.finish()
    logs(trap, 'why="a stage ended"', 'answer="451 4.3.0', "rcpt=1")
    nothing_left(trap)


def test_hangs_in_body():
    """Takes the envelope, then nothing: the body does not fit its pipe."""
    trap = Trap([f"sh -c '{ENVELOPE_TAKEN} exec sleep 1000'"],
                pipelinetimeout=1)
    client = trap.connect(kind=socket.SOCK_STREAM)
    client.greet()
    client.say(*ENVELOPE, "DATA")
    client.send(b"x" * 300000 + b"\r\n.\r\n")
    is_same(client.reply(), TROUBLE, "a stage that hangs in the body: 451")
    is_same(client.say("NOOP"), b"250 2.0.0 Ok\r\n", "... the session goes on")
    client.finish()
    logs(trap, 'why="no answer in time"')
    nothing_left(trap)


def test_stopped():
    """Stopped until the pipeline is late, whose answer is there. With 451 the
    client would send again what is stored."""
    trap = Trap([f"sh -c '{ENVELOPE_TAKEN} while [ ! -e go ]; do sleep 0.01; "
                 "done; yes XNOTE a=b | head -n 1000; echo 250 2.6.0 stored; "
                 "echo >said; exec cat >said'"], pipelinetimeout=6)
    client = trap.connect(kind=socket.SOCK_STREAM)
    client.greet()
    client.say(*ENVELOPE, "DATA")
    client.send(b"x\r\n.\r\n")
    time.sleep(0.2)  # it is to wait for the answer
    client.process.send_signal(signal.SIGSTOP)
    with open(os.path.join(trap.dir, "go"), "w", encoding="ascii"):
        pass
    wait_until(lambda: os.path.exists(os.path.join(trap.dir, "said")))
    time.sleep(6.1)
    client.process.send_signal(signal.SIGCONT)
    is_same(client.reply(), b"250 2.6.0 stored\r\n",
            "stopped until the answer is late: it counts")
    client.finish()
    nothing_left(trap)


def test_too_many_answers():
    """One that answers twice is not believed again."""
    trap = Trap(["sh -c 'while read -r l; do case $l in [MR][AC]*) "
                 "printf \"250 2.0.0 one\\n250 2.0.0 two\\n\";; esac; done'"])
    client = trap.connect()
    client.greet()
    is_same(client.say("MAIL FROM:<>"), b"250 2.0.0 one\r\n",
            "a stage that answers twice: its first answer")
    is_same(client.say("RCPT TO:<c@d.example>"), TROUBLE, "... then 451")
    client.finish()
    logs(trap, 'why="an answer to no command"')
    nothing_left(trap)


def test_both_ways():
    """A stage that writes much without reading, and the other way round."""
    noise = ("sh -c 'head -c 3000000 /dev/zero | tr \"\\0\" x | fold; echo; "
             "exec cat'")
    trap = Trap([noise, "deliver-dirqueue queue"])
    client = trap.connect(kind=socket.SOCK_STREAM)
    client.greet()
    ok(client.say(*ENVELOPE, "DATA").startswith(b"354"),
       "3 MB of lines that mean nothing are dropped")
    ok(client.say("x" * 500000 + "\r\n.").startswith(ACCEPTED),
       "... the message is taken")
    client.finish()
    is_same([len(job.data()) for job in trap.jobs()], [500001],
            "... and in the queue")


# ---- Control files

def test_control_files():
    bad = [("databytes", "many"), ("databytes", "-1"), ("maxrcpt", "0"),
           ("maxrcpt", "100001"), ("maxline", "511"), ("maxline", "6001"),
           ("maxjunk", ""), ("timeout", "0"), ("sessiontimeout", "1d"),
           ("mindatarate", "x"), ("pipelinetimeout", "0"),
           ("strictaddress", "yes"), ("me", "a\x01b"), ("pipeline", "# none"),
           ("pipeline", "deliver-dirqueue 'queue"), ("greeting", "x" * 300)]
    for name, value in bad:
        trap = Trap(**{name: value} if name != "pipeline" else {})
        trap.control(name, value)
        client = trap.connect()
        is_same(client.reply(), UNAVAILABLE, f"control/{name} is {value[:9]!r}")
        client.finish()
        is_same(client.process.returncode, 111, "... exit 111")
        logs(trap, "trap-smtpd: fatal: ", f"control/{name}")
    trap = Trap()
    os.unlink(trap.dir + "/control/pipeline")
    client = trap.connect()
    is_same(client.reply(), UNAVAILABLE, "no control/pipeline")
    client.finish()
    logs(trap, "control/pipeline: No such file or directory")


def test_arguments():
    """With arguments these are the pipeline, and control/pipeline is not."""
    trap = Trap()
    os.unlink(trap.dir + "/control/pipeline")
    client = trap.connect(arguments=[
        "sh", "-c", "received-line | deliver-dirqueue queue"])
    client.greet()
    client.say(*ENVELOPE, "DATA")
    ok(client.say("x\r\n.").startswith(ACCEPTED), "a pipeline of arguments")
    client.finish()
    is_same([job.sent() for job in trap.jobs()], [b"x\n"], "... with a filter")
    client = Trap().connect(arguments=["-x"])
    client.finish()
    is_same(client.process.returncode, 100, "an option that it has not")


# ---- SIGTERM and time

def test_terminate_idle():
    for commands in ((), ENVELOPE, (*ENVELOPE, "BDAT 0")):
        trap = Trap()
        client = trap.connect()
        client.greet()
        if commands:
            client.say(*commands)
        client.process.send_signal(signal.SIGTERM)
        is_same(client.reply(), SHUTDOWN,
                f"SIGTERM after {commands[-1:] or 'EHLO'}: 421")
        client.finish()
        logs(trap, "why=terminated")
        nothing_left(trap)


def test_terminate_in_body():
    trap = Trap()
    client = trap.connect()
    client.greet()
    client.say(*ENVELOPE, "DATA")
    client.send(b"one\r\n")
    client.process.send_signal(signal.SIGTERM)
    client.send(b"two\r\n.\r\n")
    ok(client.reply().startswith(ACCEPTED), "SIGTERM in a body: it is finished")
    is_same(client.reply(), SHUTDOWN, "... then 421")
    client.finish()
    is_same([job.data() for job in trap.jobs()], [b"one\ntwo\n"],
            "... and the message is there")


def test_terminate_in_command():
    """While the pipeline thinks."""
    trap = Trap(["sh -c 'read c; read n; read m; : >seen; read x <gate; "
                 "echo 250 2.1.0 ok; exec cat'"])
    os.mkfifo(trap.dir + "/gate")
    client = trap.connect()
    client.greet()
    client.send(b"MAIL FROM:<>\r\n")
    wait_until(lambda: os.path.exists(trap.dir + "/seen"))
    client.process.send_signal(signal.SIGTERM)
    with open(trap.dir + "/gate", "w") as gate:
        gate.write("go\n")
    is_same(client.reply(), b"250 2.1.0 ok\r\n",
            "SIGTERM while MAIL is in hand: its answer")
    is_same(client.reply(), SHUTDOWN, "... then 421")
    client.finish()


def test_terminate_flood():
    """A client that never stops to send."""
    trap = Trap()
    client = trap.connect(kind=socket.SOCK_STREAM)
    flood = b"MAIL FROM:<>\r\nRSET\r\n" * 1000
    client.socket.setblocking(False)
    got = sent = 0
    tail = b""
    asked = False
    while True:
        ready = select.select([client.socket], [client.socket], [], 60)
        if ready[0]:
            more = client.receive()
            if not more:
                break
            got += len(more)
            tail = (tail + more)[-200:]
        if ready[1] and sent < 3e8:
            try:
                sent += client.socket.send(flood[sent % len(flood):])
            except OSError:
                sent = 3e9
        if got > 100000 and not asked:
            client.process.send_signal(signal.SIGTERM)
            asked = True
            at = got
        if asked and got > at + 3000000:
            break
    ok(tail.endswith(SHUTDOWN), "SIGTERM under a flood of commands: 421",
       f"{got - at} more bytes of replies, the last {tail[-60:]}")
    client.process.kill()
    client.close()


def last_words(client):
    """The last reply, when the trap has hung up."""
    return b"".join(client.finish(hang_up=False)).splitlines(True)[-1:]


def test_timeouts():
    """What the client says, it says at once: it may be slower than the trap,
    whose time is a second."""
    trap = Trap(timeout=1)
    client = trap.connect()
    client.send(b"EHLO client.example\r\n")
    is_same(last_words(client), [TIMEOUT], "timeout: the client says nothing")
    logs(trap, "why=timeout")
    client = trap.connect()
    client.send("\r\n".join((*ENVELOPE, "DATA", "text\r\n.\r")).encode())
    client.reply()
    is_same(b"".join(client.reply()[:3] for _ in range(3)),
            b"250" b"250" b"354", "... a body is begun")
    is_same(last_words(client), [TIMEOUT], "timeout in a body")
    nothing_left(trap)
    trap = Trap(timeout=1)
    client = trap.connect()
    client.send(b"EHLO client.example\r\n")
    end = time.monotonic() + DEADLINE_S
    heard = b""
    while TIMEOUT not in heard and time.monotonic() < end:
        with contextlib.suppress(OSError):
            client.send(b"N")
        if select.select([client.socket], [], [], 0.1)[0]:
            heard += client.receive()
    ok(heard.endswith(TIMEOUT), "timeout: for the command, not for its bytes",
       heard)
    client.finish()


def test_session_timeout():
    trap = Trap(sessiontimeout=1)
    client = trap.connect()
    answer = client.reply()
    end = time.monotonic() + DEADLINE_S
    commands = itertools.cycle((b"MAIL FROM:<>\r\n", b"RSET\r\n"))
    while answer[:1] == b"2" and time.monotonic() < end:
        with contextlib.suppress(OSError):  # what was said is there
            client.send(next(commands))
        answer = client.reply()
    is_same(answer, TIMEOUT, "sessiontimeout: a busy client")
    client.finish()
    logs(trap, "why=expired")


def test_never_reads():
    trap = Trap(timeout=1)
    client = trap.connect(kind=socket.SOCK_STREAM)
    client.socket.setblocking(False)
    flood = b"MAIL FROM:<>\r\nRSET\r\n" * 1000

    def ended():
        try:
            while client.socket.send(flood):
                pass
        except BlockingIOError:
            return client.process.poll() is not None
        except OSError:
            return True
        return False

    ok(wait_until(ended), "a client that never reads replies")
    client.close()
    logs(trap, "why=timeout")


test_dead_stages()
test_stubborn()
test_babbling()
test_recovery()
test_children_ignored()
test_dead_after_envelope()
test_dead_in_body("DATA")
test_dead_in_body("BDAT")
test_hangs_in_body()
test_stopped()
test_too_many_answers()
test_both_ways()
test_control_files()
test_arguments()
test_terminate_idle()
test_terminate_in_body()
test_terminate_in_command()
test_terminate_flood()
test_timeouts()
test_session_timeout()
test_never_reads()
done()
