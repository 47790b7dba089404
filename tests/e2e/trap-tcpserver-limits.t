#!/usr/bin/env python3
"""trap-tcpserver when there are more clients than it may serve, or less of the
machine than it needs; its end; and what its sessions must not share."""
import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, "tests/e2e/lib")
from smtptest import (ACCEPTED, SANITIZED, Trap, done, is_same,  # noqa: E402
                      ok, skip, wait_until)
from tcptest import (USER, TcpServer, all_quiet, busy_lines,  # noqa: E402
                     deliver, descriptors, may_trace, memory, public_trap,
                     shed, status)

GREETING = b"220 trap.example ESMTP\r\n"
SHED = b"421 4.3.2 Too many connections, try later\r\n"
IS_ROOT = os.geteuid() == 0


def is_silent(client, seconds=0.05):
    """Nothing comes, for longer than the server's own pause."""
    return not select.select([client.socket], [], [], seconds)[0]


def limit(server, *limits):
    subprocess.run(["prlimit", f"--pid={server.pid}", *limits], check=True)


def serves_again(server, name):
    ok(server.is_idle(), f"{name}: no child is left")
    is_same([server.greeting() for _ in range(5)], [GREETING] * 5,
            f"{name}: all are served at once again")


# ---- More than may be served

def test_limit():
    trap = Trap()
    server = TcpServer(trap, "-c", "2")
    clients = [server.connect() for _ in range(5)]
    is_same([c.reply() for c in clients[:2]], [GREETING] * 2, "two are served")
    ok(wait_until(lambda: busy_lines(trap)), "it is busy")
    ok(all(map(is_silent, clients[2:])), "the others wait")
    is_same(len(server.children()), 2, "two processes")
    for n in (2, 3, 4):
        clients[n - 2].close()
        is_same(clients[n].reply(), GREETING, "one ends: the next is served")
        ok(all(map(is_silent, clients[n + 1:])), "... and no other")
    for client in clients:
        client.close()
    serves_again(server, "-c 2")
    numbers, line = busy_lines(trap)[0]
    ok(numbers["connections"] == numbers["limit"] == 2 and numbers["waiting"]
       <= 3 and numbers["shed"] == 0 and "error=" not in line, "logged", line)


def test_full():
    trap = public_trap() if IS_ROOT else Trap()
    account = (f"-u{USER + 1}", f"-g{USER + 1}") if IS_ROOT else ()
    own = os.getpriority(os.PRIO_PROCESS, 0)
    may_hurry = not subprocess.run(["prlimit", "--nice=30", "true"],
                                   check=False, capture_output=True).returncode
    server = TcpServer(trap, *account, "-c", "1", "-b", "20")
    began = time.monotonic()
    holder = server.connect()
    is_same(holder.reply(), GREETING, "one is served")
    clients = [server.connect() for _ in range(20)]
    is_same([c.reply() + c.receive() for c in clients[:5]], [SHED] * 5,
            "beyond three quarters the oldest are told, and hung up on")
    ok(all(is_silent(c, 0.01) for c in clients[5:]), "the others wait")
    is_same(os.getpriority(os.PRIO_PROCESS, server.pid),
            -10 if may_hurry else own, "a full queue: the server hurries")
    more = [server.connect() for _ in range(4)]
    is_same([c.reply() + c.receive() for c in clients[5:9]], [SHED] * 4,
            "more come: so again")
    ok(wait_until(lambda: shed(trap) == 9), "nine are in the log", trap.log())
    holder.close()
    for client in clients[9:] + more:
        is_same(client.reply(), GREETING, "who has waited is served")
        client.close()
    lines = len(busy_lines(trap))
    ok(lines <= time.monotonic() - began + 2, "at most one line a second",
       trap.log())
    serves_again(server, "a full queue")
    is_same(os.getpriority(os.PRIO_PROCESS, server.pid), own, "no more hurry")
    for numbers, line in busy_lines(trap):
        ok(numbers["connections"] == 1 and numbers["waiting"] <= 20, line)


def test_nice():
    """A priority that is higher already is not taken away."""
    if not IS_ROOT or subprocess.run(["nice", "-n-15", "true"], check=False,
                                     capture_output=True).stderr:
        skip("started with a high priority", "not permitted")
        return
    server = TcpServer(public_trap(), f"-u{USER + 1}", f"-g{USER + 1}", "-c",
                       "1", "-b", "20", prefix=("nice", "-n-15"))
    own = os.getpriority(os.PRIO_PROCESS, server.pid)
    holder = server.connect()
    is_same(holder.reply(), GREETING, "started with a high priority")
    clients = [server.connect() for _ in range(20)]
    is_same(clients[0].reply(), SHED, "... the queue is full")
    is_same([os.getpriority(os.PRIO_PROCESS, pid) for pid in
             (server.pid, *server.children())], [own] * 2, "... it is kept")
    for client in [holder] + clients:
        client.close()


def test_no_means():
    """Nobody can be accepted, and many wait: who ends is reaped all the same.
    """
    if not may_trace():
        skip("out of descriptors", "not to be traced here")
        return
    trap = Trap()
    server = TcpServer(trap, "-c", "1", "-b", "200", prefix=(
        "strace", "-D", "-qq", "-o", "/dev/null", "-e", "trace=accept4", "-e",
        "inject=accept4:error=ENFILE:when=3+"))
    holder = server.connect()  # the second accept4(); the first found nobody
    is_same(holder.reply(), GREETING, "one is served")
    clients = [server.connect() for _ in range(180)]
    ok(wait_until(lambda: "unable to accept" in trap.log()),
       "out of descriptors, and a full queue")
    holder.close()
    ok(wait_until(lambda: not server.children()), "... who ends is reaped")
    server.process.kill()
    server.process.wait()
    for client in clients:
        client.close()


def test_deaf():
    """Clients that are stopped do not hold up others."""
    server = TcpServer(Trap(), "-c", "4")
    holder = subprocess.Popen(
        ["tcpclient", "-HRl0", "127.0.0.1", str(server.port), "sh", "-c",
         "kill -STOP $$"], stdin=subprocess.DEVNULL)
    wait_until(server.children)
    wait_until(lambda: status(holder.pid, "State")[0] == "T")
    client = server.connect()
    ok(deliver(client).startswith(ACCEPTED), "beside a stopped client")
    client.close()
    holder.kill()
    holder.wait()
    serves_again(server, "a stopped client")


# ---- Less than it needs

def test_processes():
    if not IS_ROOT:
        skip("the limit of processes", "not root")
        return
    trap = public_trap()
    server = TcpServer(trap, f"-u{USER}", f"-g{USER}", "-c", "9",
                       program=("sh", "-c", "echo 220 yes; read x"),
                       prefix=("prlimit", "--nproc=3"))
    clients = []
    for _ in range(2):
        clients.append(server.connect())
        is_same(clients[-1].reply(), b"220 yes\n", "a process can be started")
    for _ in range(3):
        client = server.connect()
        is_same(client.reply() + client.receive(), SHED, "none can: 421")
        client.close()
    ok(wait_until(lambda: shed(trap) == 3), "they are in the log", trap.log())
    ok(all("connections=2 limit=9" in line and "shed=0" not in line and
           'error="Resource temporarily unavailable"' in line
           for _, line in busy_lines(trap)), "... and why", trap.log())
    for client in clients:
        client.close()
    ok(server.is_idle(), "they end")
    for _ in range(3):
        is_same(server.greeting(), b"220 yes\n", "then it serves again")
        server.is_idle()


def test_descriptors():
    trap = Trap()
    server = TcpServer(trap)
    for _ in range(2):
        limit(server, "--nofile=4:")
        client = server.connect()
        trap.log_file.truncate(0)
        ok(wait_until(lambda: "trap-tcpserver: warning: unable to accept a "
                      "connection: " in trap.log()), "no descriptor: logged")
        ok(is_silent(client), "he waits")
        limit(server, "--nofile=9:")
        is_same(client.reply(), GREETING, "then he is served")
        client.close()
    serves_again(server, "out of descriptors")


# ---- Its end

def test_end():
    for number in (signal.SIGTERM, signal.SIGKILL):
        trap = Trap()
        server = TcpServer(trap)
        clients = [server.connect() for _ in range(3)]
        clients[0].greet()
        clients[1].greet()
        clients[1].say("MAIL FROM:<a@a.example>", "RCPT TO:<u@trap.example>",
                       "DATA")
        wait_until(lambda: len(server.children()) == 3)
        server.process.send_signal(number)
        is_same(server.process.wait(60),
                0 if number == signal.SIGTERM else -number, number.name)
        later = TcpServer(trap, port=server.port)
        is_same((later.port, later.greeting()), (server.port, GREETING),
                "another serves at once at the same port")
        clients[1].send(b"Subject: x\r\n\r\nx\r\n.\r\n")
        ok(clients[1].reply().startswith(ACCEPTED), "a session goes on")
        is_same(clients[0].say("QUIT")[:3], b"221", "... to its end")
        ok(deliver(clients[2]).startswith(ACCEPTED), "one that had just begun")
        for client in clients:
            client.close()
        ok(wait_until(lambda: trap.processes() == [later.pid]),
           "all have ended", trap.processes())
        serves_again(later, "the other")


def test_end_of_waiting():
    server = TcpServer(Trap(), "-c", "1")
    holder = server.connect()
    is_same(holder.reply(), GREETING, "one is served")
    others = [server.connect() for _ in range(9)]
    others[0].send(b"EHLO early.example\r\n")
    is_same(server.stop(), 0, "SIGTERM while others wait")
    lines = [line for line in server.trap.log().splitlines()
             if line.startswith("trap-tcpserver: ")]
    is_same((lines[0], lines[-1]),
            ("trap-tcpserver: started ip=127.0.0.1 "
             f"port={server.port} limit=1", "trap-tcpserver: stopped"),
            "the log begins and ends with it")
    wanted = b"421 4.3.2 Service shutting down\r\n"
    is_same([c.reply() + c.receive() for c in others], [wanted] * 9,
            "they are told, and hung up on")
    is_same(holder.say("QUIT")[:3], b"221", "who is served is not")


def test_left_child():
    """Who starts it leaves it a child of his own."""
    trap = Trap()
    os.mkfifo(trap.dir + "/fifo")
    server = TcpServer(trap, "-c", "1", prefix=(
        "sh", "-c", 'cat fifo >fifo.out & exec "$@"', "sh"))
    is_same(len(server.children()), 1, "a child that it has not started")
    holder = server.connect()
    is_same(holder.reply(), GREETING, "is not one of those it may have")
    holder.close()
    with open(trap.dir + "/fifo", "w", encoding="ascii"):
        pass
    serves_again(server, "another's child")


# ---- Who they are

def nice_limit(pid):
    with open(f"/proc/{pid}/limits", encoding="ascii") as f:
        return re.search("^Max nice priority.*", f.read(), re.M)[0].split()


def test_user():
    if not IS_ROOT:
        skip("user and group", "not root")
        return
    trap = public_trap()
    own = os.getpriority(os.PRIO_PROCESS, 0)
    for options, uid, gid, groups in (
            (("-u54321", "-g54322"), 54321, 54322, "54322"),
            (("-U",), 54321, 54322, "54322"),
            (("-g54322",), 0, 54322, "54322"),
            (("-u54321",), 54321, 0, "7 8"), ((), 0, 0, "7 8")):
        server = TcpServer(trap, *options, prefix=(
            "nice", "-n", "3", "setpriv", "--groups", "7,8", "env",
            "UID=54321", "GID=54322"))
        client = server.connect()
        is_same(client.reply(), GREETING, f"{options}: served")
        pid, = server.children()
        for process in (server.pid, pid):
            is_same([status(process, name).split()
                     for name in ("Uid", "Gid", "Groups")],
                    [[str(uid)] * 4, [str(gid)] * 4, groups.split()],
                    "user and groups")
        is_same((os.getpriority(os.PRIO_PROCESS, server.pid),
                 os.getpriority(os.PRIO_PROCESS, pid)), (min(own + 3, 19),) * 2,
                "the server's priority is its starter's, and the session's")
        is_same(nice_limit(pid), nice_limit(os.getpid()), "and its limit")
        client.close()
        server.stop()
    got = subprocess.run(
        ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups",
         "trap-tcpserver", "-u1", "127.0.0.1", "0", "true"], check=False,
        capture_output=True, text=True)
    is_same((got.returncode, got.stderr),
            (111, "trap-tcpserver: fatal: unable to set the user: Operation "
             "not permitted\n"), "not started as root")
    server = TcpServer(trap, prefix=("setpriv", f"--reuid={USER}",
                                     f"--regid={USER}", "--clear-groups"))
    is_same((server.greeting(), os.getpriority(os.PRIO_PROCESS, server.pid)),
            (GREETING, own), "nor is it needed")


# ---- What they share

def test_isolation():
    if not IS_ROOT:
        skip("one session's words in another's memory", "not root")
        return
    trap = Trap(pipeline=("received-line", "deliver-dirqueue queue"))
    server = TcpServer(trap)
    marks = [b"mark-%d-" % n + os.urandom(8).hex().encode() for n in range(3)]
    found = []
    for mark in marks:
        client = server.connect()
        ok(deliver(client, b"Subject: x\r\n\r\n" + mark + b"\r\n")
           .startswith(ACCEPTED), "a message with a mark in it")
        client.send(b"HELO " + mark + b"\r\n")
        client.reply()
        pid, = server.children()
        own = memory(pid)
        found.append([m in own for m in marks])
        above = memory(server.pid)
        ok(not any(m in above for m in marks), "nothing of it in the server")
        client.close()
        server.is_idle()
    is_same(found, [[m is mark for m in marks] for mark in marks],
            "each session has its own in its memory, and nobody else's")


def test_leaks():
    """Clients that come and go without a word."""
    trap = Trap(greeting="hello")
    server = TcpServer(trap, "-b", "600", "-c", "30")
    greeting = server.greeting()
    ok(server.is_idle(), "before")
    before = descriptors(server.pid)
    for reset in (False, True):
        for _ in range(25 if SANITIZED else 500):
            client = server.socket()
            if reset:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                  struct.pack("ii", 1, 0))
            client.close()
        is_same(server.greeting(), greeting, "served after all these")
        ok(server.is_idle(), "no process is left of them")
        is_same(descriptors(server.pid), before, "no descriptor either")
    clients = [server.connect() for _ in range(30)]
    is_same([c.reply() for c in clients], [greeting] * 30,
            "it may serve as many as ever")
    last = server.connect()
    ok(is_silent(last), "... and no more")
    for client in (*clients, last):
        client.close()
    ok(server.is_idle(), "they end")


if __name__ == "__main__":
    os.environ["PATH"] = (os.path.abspath(os.environ.get("BUILD", "build"))
                          + ":" + os.environ["PATH"])
    for test in (test_limit, test_full, test_nice, test_no_means, test_deaf,
                 test_processes, test_descriptors, test_end,
                 test_end_of_waiting, test_left_child, test_user,
                 test_isolation, test_leaks, all_quiet):
        test()
    done()
