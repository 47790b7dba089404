#!/usr/bin/env python3
"""Sessions that share the pipelines of a pool: none sees another, none can
keep another waiting, and what dies is replaced."""
import os
import re
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, "tests/e2e/lib")
from smtptest import (ACCEPTED, DEADLINE_S, SANITIZED, Server,  # noqa: E402
                      Trap, done, files_under, is_same, ok, wait_until)
from tcptest import may_trace  # noqa: E402

STAGES = ("rcptcheck", "received-line", "deliver-dirqueue -n ham ham",
          "deliver-dirqueue queue")
RULES = "ham@trap.example OK [note=ham]\nold@trap.example DENY Gone."


def new_trap(*options, pipeline=STAGES, **control):
    trap = Trap(pipeline=pipeline, rcptcheck=RULES, **control)
    os.mkdir(trap.dir + "/ham")
    trap.start_pool(*options)
    wait_until(lambda: len(stages(trap)) >= len(pipeline))
    return trap


def stages(trap):
    """The pids of the stages that run."""
    with open(f"/proc/{trap.pool.pid}/task/{trap.pool.pid}/children",
              encoding="ascii") as f:
        return set(map(int, f.read().split()))


def runs(pid):
    """Whether it does, and is not just left to be reaped by whom it was."""
    try:
        with open(f"/proc/{pid}/stat", encoding="latin-1") as f:
            return f.read().rpartition(")")[2].split()[0] not in "XZ"
    except OSError:
        return False


def who(name):
    """What the server in front says of a client."""
    return {"PROTO": "TCP", "TCPREMOTEIP": f"192.0.2.{len(name)}",
            "TCPREMOTEHOST": name + ".example", "TCPREMOTEINFO": name}


def deliver(trap, name, recipient="u@trap.example"):
    """A whole session; the reply to the final dot."""
    client = trap.connect(client=who(name), kind=socket.SOCK_STREAM)
    client.reply()
    client.say(f"EHLO {name}", f"MAIL FROM:<{name}@a.example>",
               f"RCPT TO:<{recipient}>", "DATA")
    answer = client_body(client, name)
    client.say("QUIT")
    client.close()
    return answer


def client_body(client, name):
    client.send(f"Subject: {name}\r\n\r\nI am {name}.\r\n.\r\n".encode())
    return client.reply()


# ---- One pipeline, many sessions

PHASES = {
    "connecting": [],
    "EHLO": ["EHLO first"],
    "MAIL": ["EHLO first", "MAIL FROM:<first@a.example>"],
    "RCPT": ["EHLO first", "MAIL FROM:<first@a.example>",
             "RCPT TO:<ham@trap.example>"],
    "a refused RCPT": ["EHLO first", "MAIL FROM:<first@a.example>",
                       "RCPT TO:<old@trap.example>"],
    "DATA": ["EHLO first", "MAIL FROM:<first@a.example>",
             "RCPT TO:<ham@trap.example>", "DATA"],
    "half a body": ["EHLO first", "MAIL FROM:<first@a.example>",
                    "RCPT TO:<u@trap.example>", "DATA", b"x" * 200000],
    "half a BDAT": ["EHLO first", "MAIL FROM:<first@a.example>",
                    "RCPT TO:<u@trap.example>", b"BDAT 999999\r\n" +
                    b"BDAT 3 LAST\n" * 20000],
    "a message": ["EHLO first", "MAIL FROM:<first@a.example>",
                  "RCPT TO:<u@trap.example>", "DATA",
                  b"Subject: first\r\n\r\nfirst\r\n.\r\n"],
}


def go_to(client, steps):
    client.reply()
    for step in steps:
        if isinstance(step, str):
            client.say(step)
        else:
            client.send(step)


def test_killed_borrower():
    """Whatever the one before was doing when it died."""
    trap = new_trap("-n1", "-m1")
    taken = 0
    for phase, steps in PHASES.items():
        client = trap.connect(client=who("first"), kind=socket.SOCK_STREAM)
        go_to(client, steps)
        if phase == "a message":
            client.reply()
        client.process.send_signal(signal.SIGKILL)
        client.close()
        taken += phase == "a message"
        known = {job.name for job in trap.jobs()}
        answer = deliver(trap, "second")
        ok(answer.startswith(ACCEPTED), f"killed after {phase}: the next "
           "client delivers", answer)
        taken += 1
        is_same(len(trap.jobs()), taken, f"killed after {phase}: that is all")
        job, = [job for job in trap.jobs() if job.name not in known]
        facts = [job.meta.get(key) for key in (
            "ip", "host", "ident", "helo", "mail_from", "rcpt_to", "note")]
        is_same((facts, job.sent()),
                ([b"192.0.2.6", b"second.example", b"second", b"second",
                  b"second@a.example", b"u@trap.example", None],
                 b"Subject: second\n\nI am second.\n"),
                f"killed after {phase}: nothing of it in the next message")
        is_same(b"first" in job.data(), False,
                f"killed after {phase}: nor in the Received line")
        ok(wait_until(lambda: len(files_under(trap.queue)) == 2 * taken and not files_under(trap.dir + "/ham")),
           f"killed after {phase}: no file is left", files_under(trap.dir))


def test_same_stages():
    trap = new_trap("-n1", "-m1")
    ok(wait_until(lambda: len(stages(trap)) == 4), "four stages run")
    before = stages(trap)
    for name in ("a", "bb", "ccc"):
        deliver(trap, name)
        deliver(trap, name, "ham@trap.example")
    is_same(stages(trap), before, "six sessions: the same processes")
    is_same(sorted((job.meta["ip"], job.meta["helo"]) for job in trap.jobs()),
            [(b"192.0.2.1", b"a"), (b"192.0.2.2", b"bb"),
             (b"192.0.2.3", b"ccc")], "each its own client")
    is_same([job.meta["note"] for job in trap.jobs("ham")], [b"ham"] * 3,
            "and its own notes")


def test_sender_judged():
    """A stage that answers MAIL, in a shell."""
    judge = ("sh -c 'while read -r l; do case $l in *bad*) r=1; "
             "echo 550 5.7.1 no;; MAIL*) r=; echo \"$l\";; RCPT*) test $r && "
             "echo 503 5.5.1 no sender || echo \"250 2.1.5 ok\";; "
             "*) echo \"$l\";; esac; done'")
    trap = new_trap("-n1", "-m1", pipeline=(judge,))
    before = stages(trap)
    for _ in range(2):
        client = trap.connect(kind=socket.SOCK_STREAM)
        client.greet()
        is_same((client.say("MAIL FROM:<bad@a.example>"),
                 client.say("MAIL FROM:<a@b.example>"),
                 client.say("RCPT TO:<u@trap.example>")),
                (b"550 5.7.1 no\r\n", b"250 2.1.0 Ok\r\n",
                 b"250 2.1.5 ok\r\n"), "a sender is refused, the next is not")
        client.say("QUIT")
        client.close()
    is_same(stages(trap), before, "the pipeline stays")


# ---- What dies is replaced

def test_dead_stage():
    trap = new_trap("-n1", "-m1")
    before = stages(trap)
    os.kill(min(before), signal.SIGKILL)
    # The pool has heard of it when the process is no zombie any more.
    wait_until(lambda: min(before) not in stages(trap))
    ok(deliver(trap, "a").startswith(ACCEPTED),
       "a stage died while nobody had it: the next client delivers")
    ok(wait_until(lambda: not before & stages(trap)), "by other stages")
    client = trap.connect(kind=socket.SOCK_STREAM)
    client.greet()
    client.say("MAIL FROM:<a@b.example>", "RCPT TO:<u@trap.example>", "DATA")
    os.kill(max(stages(trap)), signal.SIGKILL)
    answer = client_body(client, "x")
    ok(answer.startswith((b"451", ACCEPTED)), "a stage died in mid-message: "
       "451, or it was not in hand yet", answer)
    client.say("MAIL FROM:<a@b.example>", "RCPT TO:<u@trap.example>", "DATA")
    ok(client_body(client, "y").startswith(ACCEPTED),
       "the same session goes on with another pipeline")
    client.close()
    ok(wait_until(lambda: re.findall("error: stage ended stage=.*signal=(.)",
                                     trap.log()) == ["9", "9"]),
       "the pool's log has both", trap.log())


def test_crash_at_the_end():
    """The pool gives a pipeline up before it hears of its stage's crash."""
    trap = new_trap("-n1", "-m1", pipeline=("sh -c 'cat; kill -SEGV $$'",))
    borrower = Borrower(trap)
    for fd in socket.recv_fds(borrower.socket, 1, 2)[1]:
        os.close(fd)
    borrower.socket.close()
    ok(wait_until(lambda: "error: stage ended stage=sh place=1 " in trap.log()),
       "a stage that crashes when its pipeline is given up: logged", trap.log())


def test_who_failed():
    """What the end of a stage brings about is no failure of others."""
    trap = new_trap("-n1", "-m1")
    deliver(trap, "first")
    os.kill(sorted(stages(trap))[1], signal.SIGKILL)
    wait_until(lambda: "error: stage ended stage=" in trap.log())
    ok(deliver(trap, "a").startswith(ACCEPTED), "a stage is killed: replaced")
    # Who ended behind it may have been heard of before it, but not after.
    ok(re.findall("stage ended stage=.* ((?:exit|signal)=.*)", trap.log())[-1]
       == "signal=9", "... and nothing more in the log", trap.log())
    trap = Trap(pipeline=("received-line", "sh -c 'exit 7'", "cat"))
    trap.start_pool("-n4", "-m4", "-w1")
    ok(wait_until(lambda: "stage=sh place=2 " in trap.log()),
       "one that fails at the start: it has its name in the log", trap.log())


def test_failing_start():
    """The stage waits for the probe."""
    trap = Trap(poolwait="3600", pipeline=(
        "sh -c 'test -e good; bad=$?; echo >>tries; "
        "[ $bad = 1 ] || exec cat; read probe'",))
    began = time.monotonic()
    trap.start_pool("-n8", "-m8", "-w3600")

    def tries():
        return os.path.exists(trap.dir + "/tries") and \
            os.path.getsize(trap.dir + "/tries")

    ok(wait_until(lambda: tries() >= 2), "pipelines that fail at their start "
       "are tried again", tries())
    client = trap.connect(kind=socket.SOCK_STREAM)
    client.greet()
    is_same(client.say("MAIL FROM:<a@b.example>"),
            b"451 4.3.0 Temporary server error\r\n",
            "nobody is served then, nor need wait")
    client.close()
    # None comes earlier than a second after the one before.
    ok(tries() <= 1 + time.monotonic() - began, "it is one at a time", tries())
    tried = tries()
    with open(trap.dir + "/good", "wb"):
        trap.pool.send_signal(signal.SIGHUP)
    ok(wait_until(lambda: len(stages(trap)) == 8 and tries() >= tried + 8),
       "once one starts, all do", trap.log())


def test_renewed_in_vain():
    """After a change that no stage starts with, the old ones serve on."""
    trap = new_trap("-n1", "-m1", pipeline=(
        "sh -c 'test ! -e bad && exec deliver-dirqueue queue'",))
    deliver(trap, "first")
    before = stages(trap)
    with open(trap.dir + "/bad", "wb"):
        trap.pool.send_signal(signal.SIGHUP)
    ok(wait_until(lambda: trap.log().count("failed at its start") >= 2),
       "SIGHUP after a bad change: tried, and again", trap.log())
    ok("renewed" not in trap.log(), "... nothing is new", trap.log())
    ok(deliver(trap, "a").startswith(ACCEPTED), "... mail is taken as before")
    ok(before <= stages(trap), "... by the same stages")
    os.unlink(trap.dir + "/bad")
    trap.pool.send_signal(signal.SIGHUP)
    ok(wait_until(lambda: len(stages(trap)) == 1 and
                  not before & stages(trap)), "... mended: then all are new")
    ok(deliver(trap, "b").startswith(ACCEPTED), "... and take mail")


def test_old_in_vain():
    """Where no new stage starts, none is too old."""
    trap = new_trap("-n2", "-m2", "-a1", pipeline=(
        "sh -c 'test ! -e bad && exec deliver-dirqueue queue'",))
    deliver(trap, "first")
    with open(trap.dir + "/bad", "wb"):
        trap.pool.send_signal(signal.SIGHUP)
    wait_until(lambda: trap.log().count("failed at its start") >= 2)
    before = stages(trap)
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        if not deliver(trap, "a").startswith(ACCEPTED):
            break
    ok(time.monotonic() >= end, "they serve on, however old", trap.log())
    ok(before & stages(trap), "... the same")
    os.unlink(trap.dir + "/bad")
    ok(wait_until(lambda: deliver(trap, "a").startswith(ACCEPTED) and
                  len(stages(trap)) == 2 and not before & stages(trap)),
       "... until new ones start")


def test_one_failed():
    """One more that failed to start, when all were lent, makes none eternal."""
    trap = new_trap("-n1", "-m2", "-s3", pipeline=(
        "sh -c 'test ! -e bad && exec deliver-dirqueue queue'",))
    deliver(trap, "first")
    before = stages(trap)
    holder = Borrower(trap)
    holder.has(DEADLINE_S)
    with open(trap.dir + "/bad", "wb"):
        waiter = Borrower(trap)
    wait_until(lambda: "failed at its start" in trap.log())
    holder.give_back()
    waiter.has(DEADLINE_S)
    waiter.give_back()
    os.unlink(trap.dir + "/bad")
    ok(wait_until(lambda: deliver(trap, "a") and not before & stages(trap)),
       "a start that fails in a burst: then they are replaced as before")


def test_unwatched():
    """A pipeline that cannot be watched is of no use; the next one is tried."""
    trap = Trap()
    os.mkdir(trap.dir + "/ham")
    trap.control("pool", "pool")
    with subprocess.Popen(
            ["strace", "-qq", "-o", "/dev/null", "-e",
             "inject=epoll_ctl:error=ENOSPC:when=2", "trap-pool", "-n1",
             "-m1", "pool"], cwd=trap.dir, env={
                 **trap.environment({}), "ASAN_OPTIONS": "detect_leaks=0"},
            stdin=subprocess.DEVNULL, stderr=trap.log_file) as pool:
        ok(wait_until(lambda: "unable to watch a pipeline: " in trap.log() or
                      pool.poll() is not None), "said", trap.log())
        ok(wait_until(lambda: deliver(trap, "a").startswith(ACCEPTED), 20),
           "... and served soon", trap.log())
        subprocess.run(["pkill", "-P", str(pool.pid)], check=False)


def test_changed():
    """SIGHUP takes control/pipeline as it is now, if it is of use."""
    trap = new_trap("-n1", "-m1", pipeline=("deliver-dirqueue queue",))
    for stage, answer in (("deliver-dirqueue -a '550 5.1.1 kept' queue",
                           b"550 5.1.1 kept"),
                          ("deliver-dirqueue queue", ACCEPTED)):
        renewals = trap.log().count("renewed\n")
        before = stages(trap)
        trap.control("pipeline", "received-line\n" + stage)
        trap.pool.send_signal(signal.SIGHUP)
        ok(wait_until(lambda: trap.log().count("renewed\n") > renewals and
                      not before & stages(trap)), "a changed pipeline: taken")
        ok(deliver(trap, "a").startswith(answer), "... and used")
    is_same(len(stages(trap)), 2, "two stages")
    before = stages(trap)
    renewals = trap.log().count("renewed\n")
    trap.control("pipeline", "received-line\nx 'y")
    trap.pool.send_signal(signal.SIGHUP)
    ok(wait_until(lambda: 'trap-pool: error: not renewed, the old stages go on '
                  'error="%s/control/pipeline: stage 2: a quote is not '
                  'closed, or too many words"\n' % trap.dir in trap.log()),
       "a broken one is not", trap.log())
    os.unlink(trap.dir + "/control/pipeline")
    trap.pool.send_signal(signal.SIGHUP)
    ok(wait_until(lambda: '/control/pipeline: No such file or directory"\n'
                  in trap.log()), "nor is a missing one", trap.log())
    ok(deliver(trap, "b").startswith(ACCEPTED), "... mail is taken as before")
    is_same(stages(trap), before, "... by the same stages")
    is_same(trap.log().count("renewed\n"), renewals, "... not renewed")


def test_worn():
    trap = new_trap("-n1", "-m1", "-s2")
    seen = []
    for name in "abcd":
        deliver(trap, name)
        wait_until(lambda: len(stages(trap)) == 4)
        seen.append(frozenset(stages(trap)))
    ok(len(set(seen)) >= 2, "-s 2: replaced after two sessions", seen)
    trap = new_trap("-n1", "-m1", "-a1")
    before = stages(trap)
    deliver(trap, "a")
    ok(wait_until(lambda: deliver(trap, "b") and not before & stages(trap)),
       "-a 1: replaced after a second")


def test_signals():
    trap = new_trap("-n1", "-m2")
    client = trap.connect(kind=socket.SOCK_STREAM)
    client.greet()
    client.say("MAIL FROM:<a@b.example>", "RCPT TO:<u@trap.example>")
    before = stages(trap)
    ok("trap-pool: started socket=pool warm=1 most=2\n" in trap.log(),
       "the start is logged", trap.log())
    trap.pool.send_signal(signal.SIGHUP)
    client.say("DATA")
    ok(client_body(client, "x").startswith(ACCEPTED),
       "SIGHUP: the session in hand goes on")
    client.say("QUIT")
    client.close()
    ok(wait_until(lambda: len(stages(trap)) == 4 and
                  not before & stages(trap)), "SIGHUP: then all are new")
    is_same(trap.log().count("trap-pool: renewed\n"), 1, "... as the log says")
    client = trap.connect(kind=socket.SOCK_STREAM)
    client.greet()
    client.say("MAIL FROM:<a@b.example>", "RCPT TO:<u@trap.example>")
    left = stages(trap)
    trap.pool.terminate()
    is_same(trap.pool.wait(DEADLINE_S), 0, "SIGTERM: exit 0")
    ok(trap.log().endswith("trap-pool: stopped lent=1 waiting=0\n"),
       "SIGTERM: logged", trap.log())
    ok(not os.path.exists(trap.dir + "/pool"), "SIGTERM: no socket")
    client.say("DATA")
    ok(client_body(client, "x").startswith(ACCEPTED),
       "SIGTERM: the session in hand goes on")
    client.close()
    ok(wait_until(lambda: not any(map(runs, left))),
       "SIGTERM: no stage is left", left)


def test_sockets():
    trap = new_trap("-n1", "-m1")
    second = subprocess.run(["trap-pool", "pool"], cwd=trap.dir, check=False,
                            env=trap.environment({}), capture_output=True)
    ok(second.returncode == 111 and b"another service listens" in second.stderr,
       "a second pool on the socket: refused", second.stderr)
    with socket.socket(socket.AF_UNIX) as busy, \
            socket.socket(socket.AF_UNIX) as other:
        busy.bind(trap.dir + "/busy")
        busy.listen(0)
        other.connect(trap.dir + "/busy")
        second = subprocess.run(["trap-pool", "busy"], cwd=trap.dir,
                                env=trap.environment({}), capture_output=True,
                                check=False)
    ok(second.returncode == 111 and b"another service listens" in second.stderr,
       "... nor on one whose service takes nobody just now", second.stderr)
    client = trap.connect(kind=socket.SOCK_STREAM)
    client.greet()
    trap.pool.kill()
    trap.pool.wait()
    is_same(client.say("MAIL FROM:<a@b.example>"),
            b"451 4.3.0 Temporary server error\r\n", "no pool: 451")
    ok("error: unable to borrow a pipeline session=" in trap.log(),
       "no pool: the log says so", trap.log())
    trap.pool = None
    trap.start_pool("-n1", "-m1")
    client.say("MAIL FROM:<a@b.example>", "RCPT TO:<u@trap.example>", "DATA")
    ok(client_body(client, "x").startswith(ACCEPTED),
       "a new one takes the socket of the killed one over; the session goes on")
    client.close()


# ---- Waiting

class Borrower:
    """One that does not give back when he is asked to."""

    def __init__(self, trap):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(trap.dir + "/pool")

    def has(self, seconds):
        self.socket.settimeout(seconds)
        try:
            return socket.recv_fds(self.socket, 1, 2)[0]
        except TimeoutError:
            return None

    def give_back(self):
        self.socket.send(b"C")
        self.socket.close()


def hold(trap):
    """On a busy machine a stage may take longer to start than one may wait."""
    while True:
        holder = Borrower(trap)
        if holder.has(DEADLINE_S) == b"B":
            return holder


def test_waiting():
    trap = new_trap("-n1", "-m3", "-w1")
    holders = [hold(trap) for _ in range(3)]
    ok(wait_until(lambda: len(stages(trap)) == 3 * len(STAGES)),
       "from 1 to 3 pipelines, for three borrowers", stages(trap))
    client = trap.connect(kind=socket.SOCK_STREAM)
    client.greet()
    is_same(client.say("MAIL FROM:<a@b.example>"),
            b"451 4.3.0 Temporary server error\r\n", "the fourth hears 451")
    ok(wait_until(lambda: re.search("busy .* refused=[1-9]", trap.log())),
       "the log has the wait", trap.log())
    for holder in holders:
        holder.socket.close()
    ok(wait_until(lambda: client.say("MAIL FROM:<a@b.example>")
                  .startswith(b"250")),
       "the session goes on when one is free")
    client.close()


def stop(trap):
    trap.pool.send_signal(signal.SIGSTOP)
    with open(f"/proc/{trap.pool.pid}/stat", encoding="latin-1") as f:
        wait_until(lambda: f.seek(0) == 0 and
                   f.read().rpartition(")")[2].split()[0] == "T")


def test_stopped():
    """Stopped until one who waits is late: what he waits for was back. And when
    a stage ends and a client comes while it is stopped, he gets another."""
    trap = new_trap("-n1", "-m1", "-w6")
    holder = hold(trap)
    waiter = Borrower(trap)
    is_same(holder.has(DEADLINE_S), b"W", "somebody waits")
    stop(trap)
    holder.give_back()
    time.sleep(6.1)
    trap.pool.send_signal(signal.SIGCONT)
    is_same(waiter.has(DEADLINE_S), b"B", "stopped until he is late: served")
    waiter.give_back()
    wait_until(lambda: "waited=1" in trap.log())
    before = stages(trap)
    stop(trap)
    client = Borrower(trap)
    os.kill(min(before), signal.SIGKILL)
    wait_until(lambda: not runs(min(before)))
    trap.pool.send_signal(signal.SIGCONT)
    _, (head, tail) = socket.recv_fds(client.socket, 1, 2)[:2]
    os.set_blocking(tail, True)
    try:
        os.write(head, b"RSET\n")
        said = os.read(tail, 64)
    except BrokenPipeError:
        said = b""
    is_same(said, b"RSET\n", "a pipeline whose stage ended is not lent")
    for fd in head, tail, client.socket.detach():
        os.close(fd)


def test_turn():
    trap = new_trap("-n3", "-m3", "-w3600")
    holders = [hold(trap) for _ in range(3)]
    late = [Borrower(trap) for _ in range(3)]
    holders[0].give_back()
    is_same(late[0].has(DEADLINE_S), b"B", "the first to wait is next")
    is_same([other.has(0.05) for other in late[1:]], [None] * 2,
            "... and no other")
    for holder in holders[1:] + late:
        holder.socket.close()


def test_idle():
    trap = new_trap("-n1", "-m1")
    server = Server(trap)
    idle = [server.connect() for _ in range(50)]
    for client in idle:
        client.greet()
    idle[0].say("MAIL FROM:<a@b.example>", "RCPT TO:<u@trap.example>", "DATA")
    ok(client_body(idle[0], "x").startswith(ACCEPTED), "one of 50 delivers")
    ok(deliver(trap, "other").startswith(ACCEPTED),
       "and stays connected: the next has its pipeline")
    server.stop()


DROPPED = {
    "a chunk after RSET": (b"MAIL FROM:<a@a.example>\r\nRSET\r\n"
                           b"BDAT 999999999\r\nx", 2),
    "a chunk for nobody": (b"MAIL FROM:<a@a.example>\r\n"
                           b"RCPT TO:<old@trap.example>\r\n"
                           b"BDAT 999999999\r\nx", 3),
    "a body that is too big": (b"MAIL FROM:<a@a.example>\r\n"
                               b"RCPT TO:<u@trap.example>\r\nDATA\r\n" +
                               b"x" * 200000, 3),
}


def test_dropped():
    """What is read only to be dropped needs no pipeline."""
    for name, (sent, replies) in DROPPED.items():
        trap = new_trap("-n1", "-m1", databytes="1000")
        client = trap.connect(kind=socket.SOCK_STREAM)
        client.greet()
        client.send(sent)
        for _ in range(replies):
            client.reply()
        answer = deliver(trap, "other")
        ok(answer.startswith(ACCEPTED),
           f"{name}, and nothing more: the next one is served", answer)
        client.close()


def test_dropped_alone():
    """Also when a pipeline broke, and no other one is to be had."""
    dies = ("sh -c 'while read -r l; do case $l in RCPT*) exit 1;; esac; "
            "echo \"$l\"; done'")
    trap = Trap(pipeline=(dies,), poolwait="9")
    trap.start_pool("-n1", "-m1")
    client = trap.connect(kind=socket.SOCK_STREAM)
    client.greet()
    answer = client.say("MAIL FROM:<a@a.example>", "RCPT TO:<u@trap.example>")
    is_same(answer[:3], b"451", "the pipeline breaks")
    client.say("RSET")
    trap.stop_pool()
    client.send(b"MAIL FROM:<a@a.example>\r\nBDAT 12\r\n")
    is_same([client.reply()[:3], client.reply()[:3]], [b"451", b"503"],
            "there is no other one")
    client.send(b"QUIT\r\nNOOP\r\n")
    is_same(client.say("VRFY x")[:3], b"252", "no chunk is taken for commands")
    client.close()


def stall(server, how):
    client = server.connect()
    client.greet()
    client.say("MAIL FROM:<slow@a.example>")
    if how:
        client.say("RCPT TO:<u@trap.example>")
    if how == 2:
        client.say("DATA")
        client.send(b"S")
    return client


def test_stalled(count, most):
    trap = new_trap("-n4", f"-m{most}", mindatarate="0")
    server = Server(trap, connections=count + 50)
    clients = [(how % 3, stall(server, how % 3)) for how in range(count)]
    took = []
    for _ in range(5):
        for how, client in clients[2::3]:
            client.send(b"x")
        before = time.monotonic()
        fast = server.connect()
        fast.greet()
        fast.say("MAIL FROM:<fast@a.example>", "RCPT TO:<u@trap.example>",
                 "DATA")
        answer = client_body(fast, "fast")
        took.append(time.monotonic() - before)
        fast.close()
        ok(answer.startswith(ACCEPTED), "a normal client among the stalled",
           answer)
    ok(sorted(took)[2] < 10, f"{count} stalled, {most} pipelines: "
       "a normal client has its answer soon", took)
    answers = []
    for how, client in clients:
        if how == 0:
            client.say("RCPT TO:<u@trap.example>")
        if how < 2:
            client.say("DATA")
        answers.append(client_body(client, "slow"))
        client.close()
    good = sum(answer.startswith(ACCEPTED) for answer in answers)
    ok(good >= count * 2 // 3 and all(
        answer.startswith((ACCEPTED, b"451 ")) for answer in answers),
       "they go on, and are served", answers)
    is_same(len(trap.jobs()), good + 5, "what was answered 250 is stored")
    server.stop()


test_killed_borrower()
test_same_stages()
test_sender_judged()
test_dead_stage()
test_crash_at_the_end()
test_who_failed()
test_failing_start()
test_renewed_in_vain()
test_old_in_vain()
test_one_failed()
if may_trace():
    test_unwatched()
test_changed()
test_worn()
test_signals()
test_sockets()
test_waiting()
test_stopped()
test_turn()
test_idle()
test_dropped()
test_dropped_alone()
test_stalled(100 if SANITIZED else 500, 16)
done()
