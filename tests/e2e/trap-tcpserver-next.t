#!/usr/bin/env python3
"""trap-tcpserver when many come: a process that takes the next client when its
session has ended, and what it must not know of the last one."""
import collections
import contextlib
import itertools
import os
import re
import signal
import socket
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, "tests/e2e/lib")
from smtptest import (ACCEPTED, SANITIZED, Trap, done,  # noqa: E402
                      is_same, ok, skip, wait_until)
from tcptest import (TcpServer, all_quiet, deliver, descriptors,  # noqa: E402
                     may_trace, memory)

GREETING = b"220 trap.example ESMTP\r\n"
# Connections at once: when more than a hundred processes, and one more each 10
# ms, have been started, they go on. A sanitizer makes that slow.
MANY = 400 if SANITIZED else 250
AGED_S = 30
TRIES = 4 if SANITIZED else 20


SOURCES = itertools.count()
# Of each flood and the like, whether processes were started at more than twice that rate.
FAST = []
FAST_S = (MANY - 100) * 0.01 / 2


def source():
    """An address that has ports left."""
    return f"127.1.{os.getpid() % 250}.{next(SOURCES) % 250 + 1}"


def served(client):
    greeting = client.reply()
    client.close()
    return greeting


def flood(server):
    """More than a hundred at once. What they are greeted with."""
    began, address = time.monotonic(), source()
    clients = [server.connect(source=address) for _ in range(MANY)]
    greetings = set(map(served, clients))
    FAST.append(time.monotonic() - began < FAST_S)
    return greetings


def one_by_one(server, waiting):
    """As many, of whom some always wait. What others are greeted with."""
    greetings = set()
    began, address = time.monotonic(), source()
    for _ in range(MANY):
        waiting.append(server.connect(source=address))
        if len(waiting) > 9:
            greetings.add(served(waiting.popleft()))
    FAST.append(time.monotonic() - began < FAST_S)
    return greetings


def ended(trap):
    """The sessions that have ended: helo, and the number of the process."""
    return [(m[2], int(m[1])) for m in re.finditer(
        r"^trap-smtpd: end session=\d+\.\d+\.(\d+) .* helo=(\S*)",
        trap.log(), re.M)]


def processes(trap, helo):
    return {pid for name, pid in ended(trap) if name == helo}


def say_quit(client):
    answer = client.say("QUIT")
    while client.receive():
        pass
    client.close()
    return answer


def message(server, helo, body=b"x\r\n", **where):
    """A session with one message."""
    client = server.connect(**where)
    client.reply()
    client.say(f"EHLO {helo}", f"MAIL FROM:<{helo}@a.example>",
               f"RCPT TO:<{helo}@trap.example>", "DATA")
    client.send(body + b".\r\n")
    answer = client.reply()
    say_quit(client)
    return answer.startswith(ACCEPTED)


def went_on(passed, name, detail=""):
    """A process has served several, which is no matter of chance where they are
    started fast."""
    if not passed and (SANITIZED or not any(FAST[-TRIES:])):
        skip(name, "processes are started too slowly")
        return False
    return ok(passed, name, detail)


def followed(server, first, second, name):
    """One process serves a session of first(), then one of second(): each is
    called with a helo of its own, and says whether all is as it should be.
    server has one process at a time, of which a second may just have passed."""
    for n in range(TRIES):
        flood(server)
        ok(all([first(f"first{n}"), second(f"second{n}")]), name)
        trap = server.trap
        wait_until(lambda: processes(trap, f"second{n}"))
        if processes(trap, f"first{n}") & processes(trap, f"second{n}"):
            return ok(True, f"{name}: by one process")
    return went_on(False, f"{name}: by one process", server.trap.log()[-3000:])


# ---- Whether

def per_process(trap):
    return collections.Counter(pid for _, pid in ended(trap)).values()


def test_few():
    trap = Trap()
    server = TcpServer(trap, "-c", "300")
    for n in range(60):
        message(server, f"few{n}")
    ok(server.is_idle(), "all have ended")
    is_same(set(per_process(trap)), {1}, "few come: a process for each")


def test_many():
    for pooled in (False, True):
        trap = Trap(pipeline=("received-line", "deliver-dirqueue queue"))
        server = TcpServer(trap, "-c", "300")
        if pooled:
            trap.start_pool("-n2", "-m4")
        floods = 0
        while not floods or (floods < TRIES and max(per_process(trap)) == 1):
            floods += 1
            is_same(flood(server), {GREETING}, "all of many are greeted")
            ok(wait_until(lambda: len(ended(trap)) == floods * MANY),
               "each session is logged")
        for n in range(60):
            where = {"source": f"127.0.0.{n % 7 + 1}"}
            body = b"Subject: %d\r\n\r\nx\r\n" % n
            ok(message(server, f"many{n}", body, **where), "a message")
        ok(server.is_idle(), "all processes end by themselves")
        is_same(sum(per_process(trap)), floods * MANY + 60, "... all of them")
        went_on(max(per_process(trap)) > 1, "processes have served several",
                per_process(trap))
        jobs = sorted(trap.jobs(), key=lambda job: int(
            job.meta["helo"][len("many"):]))
        is_same([(job.meta["ip"], job.meta["mail_from"], job.meta["rcpt_to"])
                 for job in jobs],
                [(b"127.0.0.%d" % (n % 7 + 1), b"many%d@a.example" % n,
                  b"many%d@trap.example" % n) for n in range(60)],
                f"each message is its own client's, pool: {pooled}")
        ok(all(b"Received: from many%d " % n in job.data() and
               job.data().endswith(b"\nSubject: %d\n\nx\n" % n)
               for n, job in enumerate(jobs)), "... in its text, too")
        ok("error" not in trap.log(), "no pipeline was left in doubt")


def test_single():
    trap = Trap()
    server = TcpServer(trap, "-s", "-c", "300")
    flood(server)
    for n in range(60):
        message(server, f"single{n}")
    ok(server.is_idle(), "all have ended")
    is_same(set(per_process(trap)), {1}, "-s: a process for each of many")


def test_age():
    """A process serves others for a second."""
    trap = Trap()
    server = TcpServer(trap, "-c", "1", "-b", "900")
    waiting = collections.deque()
    several = set()

    def has_gone():
        """One that has served several, though others wait."""
        one_by_one(server, waiting)
        pids = [pid for _, pid in ended(trap)]
        several.update(a for a, b in zip(pids, pids[1:]) if a == b)
        return several - {pids[-1]}

    gone = wait_until(has_gone, AGED_S)
    if went_on(several, "a process serves several"):
        ok(gone, "none for much longer")


def test_limit():
    """One process, and those who wait: it serves them all."""
    trap = Trap()
    server = TcpServer(trap, "-c", "1", "-b", "900")
    clients = [server.connect() for _ in range(MANY)]
    for client in clients:
        is_same(client.reply(), GREETING, "one after the other is served")
        client.close()
    ok(server.is_idle(), "it ends")


# ---- What is left of a session

def test_state():
    trap = Trap(pipeline=("received-line", "deliver-dirqueue queue"),
                authbait="1", maxjunk="5", persona="other")
    os.mkdir(trap.dir + "/control/personas")
    with open(trap.dir + "/control/personas/other", "w",
              encoding="ascii") as f:
        f.write("* 221 -> 221 so long\n")
    server = TcpServer(trap, "-c", "1", "-b", "900")

    def begin(helo):
        client = server.connect()
        client.reply()
        client.say(f"EHLO {helo}")
        return client

    def in_transaction(helo):
        client = begin(helo)
        client.say("AUTH PLAIN AGEAYg==", "MAIL FROM:<a@a.example>",
                   "RCPT TO:<u@trap.example>")
        return say_quit(client)[:3] == b"221"

    def in_body(helo):
        client = begin(helo)
        client.say("MAIL FROM:<a@a.example>", "RCPT TO:<u@trap.example>",
                   "DATA")
        client.send(b"half a message")
        client.close()
        return wait_until(lambda: processes(trap, helo))

    def in_chunks(helo):
        client = begin(helo)
        client.say("MAIL FROM:<a@a.example>", "RCPT TO:<u@trap.example>")
        client.send(b"BDAT 4\r\nhalfEHLO no.example\r\n")
        client.close()
        return wait_until(lambda: processes(trap, helo))

    def in_auth(helo):
        client = begin(helo)
        client.say("AUTH LOGIN")
        client.close()
        return wait_until(lambda: processes(trap, helo))

    def in_junk(helo):
        client = begin(helo)
        client.say(*["JUNK"] * 4)
        client.close()
        return wait_until(lambda: processes(trap, helo))

    def in_a_line(helo):
        client = begin(helo)
        client.send(b"MAIL FROM:<half@a.exam")
        client.close()
        return wait_until(lambda: processes(trap, helo))

    def new(helo):
        client = server.connect()
        answers = [client.reply()[:3]] + [client.say(line)[:3] for line in (
            "RCPT TO:<u@trap.example>", "DATA", "BDAT 3 LAST", "JUNK",
            f"HELO {helo}", "MAIL FROM:<b@b.example>", "DATA",
            "RCPT TO:<u@trap.example>", "RSET")]
        return say_quit(client) == b"221 so long\r\n" and answers == [
            b"220", b"503", b"503", b"503", b"500", b"250", b"250", b"554",
            b"250", b"250"] or print("#", answers)

    for pooled in {SANITIZED, True}:
        if pooled:
            trap.start_pool("-n2", "-m4")
        for first in (in_transaction, in_body, in_chunks, in_auth, in_junk,
                      in_a_line):
            followed(server, first, new, f"after one who left {first.__name__}"
                     f", pool: {pooled}")
    is_same(trap.jobs(), [], "and nothing was stored")


def test_rules():
    """What a rule says of one client holds for him alone."""
    trap = Trap()
    for folder in ("/other", "/elsewhere"):
        os.mkdir(trap.dir + folder)
    for name, value in (("me", "other.example"),
                        ("pipeline", "deliver-dirqueue elsewhere")):
        with open(f"{trap.dir}/other/{name}", "w", encoding="ascii") as f:
            f.write(value + "\n")
    rules = trap.dir + "/rules"
    with open(rules, "w", encoding="ascii") as f:
        f.write('127.0.0.2:allow,XNOTE_color="red"\n127.0.0.3:deny\n127.0.0.4:'
                f'allow,TRAPLINE_CONTROL="{trap.dir}/other"\n:allow\n')
    ok(not os.system(f"tcprules {rules}.cdb {rules}.tmp <{rules}"), "rules")
    server = TcpServer(trap, "-x", "rules.cdb", "-c", "1", "-b", "900")
    trap.start_pool("-n2", "-m4")

    def red(helo):
        return message(server, helo, source="127.0.0.2")

    def plain(helo):
        return message(server, helo)

    followed(server, red, plain, "one with a note, one without")
    followed(server, plain, red, "one without a note, one with")
    ok(all((job.meta.get("color") == b"red") ==
           (job.meta["ip"] == b"127.0.0.2") for job in trap.jobs()),
       "the note is on the messages of the one")

    def other(helo):
        return message(server, helo, source="127.0.0.4")

    followed(server, plain, other, "one with a pipeline of the pool, one who "
             "has his own")
    is_same([{job.meta["ip"] for job in trap.jobs(queue)}
             for queue in ("queue", "elsewhere")],
            [{b"127.0.0.1", b"127.0.0.2"}, {b"127.0.0.4"}],
            "the message of each is in his own queue")
    for n in range(TRIES):
        flood(server)
        is_same([server.greeting(source=f"127.0.0.{i}") for i in (1, 4, 3, 1)],
                [GREETING, b"220 other.example ESMTP\r\n", b"", GREETING],
                "each is served, or not, as the rules say")
    ok(trap.log().count("\ntrap-tcpserver: denied ip=127.0.0.3\n") == TRIES,
       "who was not is in the log")
    ok("error" not in trap.log(), "no pipeline was left in doubt")


def test_changes():
    """A change of a control file holds for who comes a second later."""
    trap = Trap()
    server = TcpServer(trap, "-c", "1", "-b", "900")
    waiting = collections.deque()
    for n in range(2):
        one_by_one(server, waiting)
        trap.control("greeting", f"number {n}")
        wanted = {b"220 number %d\r\n" % n}
        ok(wait_until(lambda: one_by_one(server, waiting) == wanted, AGED_S),
           "it does")


# ---- Memory

def test_isolation():
    if os.geteuid():
        skip("one session's words in another's memory", "not root")
        return
    trap = Trap(pipeline=("received-line", "deliver-dirqueue queue"))
    server = TcpServer(trap, "-c", "1", "-b", "900")
    trap.start_pool("-n2", "-m4")
    seen = 0
    for _ in range(TRIES):
        flood(server)
        marks = [f"mark-{os.urandom(8).hex()}" for _ in range(9)]
        for mark, length in zip(marks, itertools.cycle((3, 20000, 2000))):
            message(server, mark, (mark.encode() + b"\r\n") * length)
        holder = server.connect()
        is_same(holder.greet()[:3], b"250", "one after these")
        pid, = server.children()
        if any(pid in processes(trap, mark) for mark in marks):
            own = memory(pid)
            is_same(b"client.example" in own, True, "his words are in memory")
            is_same([mark for mark in marks if mark.encode() in own], [],
                    "... and none of those before")
            seen += 1
        say_quit(holder)
        if seen == 3:
            return
    went_on(False, "some process has served others before")


# ---- Their server's end

def goes_on(pid):
    """It holds the listening socket, and what watches that."""
    try:
        return len(descriptors(pid)) == 5
    except FileNotFoundError:
        return False


def test_end():
    for number in (signal.SIGTERM, signal.SIGKILL):
        trap = Trap()
        server = TcpServer(trap, "-c", "300")
        clients = []
        for _ in range(TRIES):
            for client in clients:
                client.close()
            flood(server)
            clients = [server.connect() for _ in range(9)]
            for client in clients:
                client.greet()
            some_go_on = any(map(goes_on, server.children()))
            if some_go_on:
                break
        went_on(some_go_on, "sessions of processes that would take others")
        server.process.send_signal(number)
        server.process.wait(60)
        later = TcpServer(trap, port=server.port)
        is_same((later.port, later.greeting()), (server.port, GREETING),
                f"{number.name}: another serves at once at the same port")
        for client in clients:
            ok(client.say("NOOP")[:3] == b"250", "a session goes on")
            is_same(say_quit(client)[:3], b"221", "... to its end")
        ok(wait_until(lambda: trap.processes() == [later.pid]),
           "their processes end", trap.processes())
        later.stop()


def test_told_to_end():
    server = TcpServer(Trap(), "-c", "1", "-b", "900")
    for quits in (False, True):
        for _ in range(TRIES):
            flood(server)
            client, other = server.connect(), server.connect()
            client.greet()
            pid, = server.children()
            would_go_on = goes_on(pid)
            began = time.monotonic()
            if quits:  # and does not hang up, which is waited for a second
                client.send(b"QUIT\r\nmore")
                is_same(client.reply()[:3], b"221", "a session ends")
            if server.children() == [pid]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
            late = quits and time.monotonic() - began > 0.9
            if not quits:
                is_same(client.reply()[:3], b"421", "SIGTERM ends a session")
            client.close()
            is_same(other.reply(), GREETING, "... the next is another's")
            answer = say_quit(other)[:3]
            ok(answer == b"221" or late, "... to its end", answer)
            if would_go_on and not late:
                break
        else:
            went_on(False, "it would have gone on")


def test_denied():
    """Whom the rules deny takes no other client's process with him."""
    trap = Trap()
    rules = trap.dir + "/denied"
    bad, good = source(), source()
    with open(rules, "w", encoding="ascii") as f:
        f.write(f"{bad}:deny\n:allow\n")
    ok(not os.system(f"tcprules {rules}.cdb {rules}.tmp <{rules}"), "rules")
    server = TcpServer(trap, "-x", "denied.cdb", "-c", "300", "-b", "900")
    over = threading.Event()
    heard = set()

    def be_denied():
        while not over.is_set():
            client = server.connect(source=bad)
            heard.add(client.receive())
            client.close()

    threads = [threading.Thread(target=be_denied) for _ in range(3)]
    for thread in threads:
        thread.start()
    greetings = set()
    for _ in range(2000):
        client = server.connect(source=good)
        greetings.add(client.reply())
        say_quit(client)
    over.set()
    for thread in threads:
        thread.join()
    is_same(heard, {b""}, "who is denied is hung up on")
    is_same(greetings, {GREETING}, "... and nobody else")


def test_told_while_it_waits():
    """SIGTERM in a wait for the next client: there is no other, not even
    without the pipeline."""
    if not may_trace():
        skip("SIGTERM in a wait for the next client", "not to be traced here")
        return
    for pooled in (False, True):
        trap = Trap(pipeline=("received-line", "deliver-dirqueue queue"))
        if pooled:
            trap.start_pool("-n2", "-m4")
        trace = trap.dir + "/trace"
        server = TcpServer(trap, "-c", "300", prefix=(
            "strace", "-D", "-f", "--seccomp-bpf", "-qq", "-o", trace, "-e",
            "trace=epoll_pwait", "-e",
            "inject=epoll_pwait:signal=TERM:when=1"))
        for _ in range(TRIES):
            flood(server)
            for n in range(60):
                message(server, f"told{n}")
            ok(server.is_idle(), "all have ended")
            with open(trace, encoding="ascii") as f:
                lines = f.read().split("\n")
            told = {line.split()[0] for line in lines if "= -1 EINTR" in line}
            if told:
                break
        if went_on(told, "some wait for the next client"):
            # One that finds a client, whom another takes, waits once more.
            is_same([pid for pid in told if waits_again(pid, lines)], [],
                    "SIGTERM then: no second wait")


def waits_again(pid, lines):
    """Whether it does after it was told to end."""
    calls = [line for line in lines if line.startswith(pid + " ")]
    told = min(i for i, line in enumerate(calls) if "= -1 EINTR" in line)
    return any("epoll_pwait(" in line for line in calls[told + 1:])


def test_shut():
    """A client that sends more than is read, and one that resets."""
    trap = Trap()
    server = TcpServer(trap, "-c", "1", "-b", "900")

    def rude(helo):
        client = server.connect()
        client.reply()
        client.say(f"EHLO {helo}")
        client.send(b"QUIT\r\n" + b"more\r\n" * 1000)
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                 b"\1\0\0\0\0\0\0\0")
        client.close()
        return wait_until(lambda: processes(trap, helo))

    followed(server, rude, lambda helo: message(server, helo), "one is rude")


if __name__ == "__main__":
    os.environ["PATH"] = (os.path.abspath(os.environ.get("BUILD", "build"))
                          + ":" + os.environ["PATH"])
    for test in (test_few, test_many, test_single, test_age, test_limit,
                 test_state, test_rules, test_changes,
                 test_isolation, test_end, test_denied,
                 test_told_to_end, test_told_while_it_waits, test_shut,
                 all_quiet):
        test()
    done()
