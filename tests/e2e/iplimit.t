#!/usr/bin/env python3
"""iplimit: so many connections of a network, counted by locks that go with
the process, whatever ends it."""
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
from smtptest import (BUILD, DEADLINE_S, Trap, done,  # noqa: E402
                      is_same, ok, wait_until)

REFUSED = b"421 4.7.0 Too many connections from your network\r\n"


def open_file(link):
    """What a descriptor leads to; it may have been closed meanwhile."""
    try:
        return os.readlink(link)
    except FileNotFoundError:
        return ""


def who(address, **more):
    return {"PROTO": "TCP", "TCPREMOTEIP": address, **more}


def connect(trap, address, *prefix, **more):
    """A session, and what it was greeted with."""
    client = trap.connect(client=who(address, **more), kind=socket.SOCK_STREAM,
                          prefix=prefix or ("iplimit", "-c", "2"))
    client.greeting = client.reply()
    return client


def greeting(trap, address, *prefix, **more):
    client = connect(trap, address, *prefix, **more)
    client.close()
    return client.greeting[:3].decode()


def test_limit():
    trap = Trap()
    held = [connect(trap, "192.0.2.1"), connect(trap, "192.0.2.200")]
    is_same([c.greeting[:3] for c in held], [b"220"] * 2, "as many as may")
    third = connect(trap, "192.0.2.77")
    is_same(third.greeting, REFUSED, "one more is refused")
    third.close()
    is_same(third.process.returncode, 0, "without a failure")
    is_same(trap.log(), "iplimit: refused ip=192.0.2.77 network=192.0.2.0/24 "
            "most=2\n", "and logged")
    is_same(greeting(trap, "::ffff:192.0.2.9"), "421", "in IPv6 form, too")
    is_same(greeting(trap, "192.0.3.1"), "220", "another network is let in")
    held[0].close()
    is_same(greeting(trap, "192.0.2.77"), "220", "one that ends makes room")
    held[1].close()


def test_length():
    trap = Trap()
    limit = ("iplimit", "-c", "1", "-4", "32", "-6", "48", "-d", "some")
    held = [connect(trap, a, *limit) for a in ("192.0.2.1", "2001:db8:1:1::1")]
    is_same([greeting(trap, a, *limit) for a in
             ("192.0.2.1", "192.0.2.2", "2001:db8:1:2::1", "2001:db8:2::1")],
            ["421", "220", "421", "220"], "lengths by -4 and -6")
    is_same(greeting(trap, "192.0.2.1", "iplimit", "-c", "1"), "220",
            "another directory has its own count")
    is_same(greeting(trap, "192.0.2.1", *limit, PROTO="SSL",
                     SSLREMOTEIP="203.0.113.1"), "220", "the PROTO's address")
    for client in held:
        client.close()


def test_behind():
    """Whatever of the chain stands behind it keeps the lock."""
    for program in (("connrate", "-n", "9"), ("earlytalk", "-w", "0.01"),
                    ("proxyprotocol",), ("tarpit", "-n", "9"),
                    ("dnsnote", "-t", "1", "-s", "127.0.0.1:9"),
                    ("setpriv", "--nnp")):
        trap = Trap()
        chain = ("iplimit", "-c", "1", *program)
        held = connect(trap, "192.0.2.1", *chain)
        is_same(greeting(trap, "192.0.2.1", *chain), "421",
                program[0] + " behind it")
        held.close()


def test_killed():
    trap = Trap(pipeline=["sleep 600"])
    held = [connect(trap, "192.0.2.1") for _ in range(2)]
    for client in held:
        client.say("EHLO x")
        client.send(b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n")
    stages = wait_until(lambda: len(children(held)) == 2 and children(held))
    files = [open_file(f"/proc/{pid}/fd/{fd}") for pid in stages
             for fd in os.listdir(f"/proc/{pid}/fd")]
    ok(not any("iplimit" in file for file in files),
       "a stage does not have the lock", files)
    ok(not any(b"IPLIMIT" in open(f"/proc/{pid}/environ", "rb").read()
               for pid in stages), "nor hears of it")
    is_same(greeting(trap, "192.0.2.1"), "421", "full")
    for client in held:
        client.process.kill()
        client.process.wait(DEADLINE_S)
    is_same([c.greeting[:3] for c in
             [connect(trap, "192.0.2.1") for _ in range(3)]],
            [b"220", b"220", b"421"], "kill -9 makes room, stages left or not")
    for pid in trap.processes():
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            os.kill(pid, signal.SIGKILL)


def children(clients):
    """Those that run their program already."""
    found = []
    for client in clients:
        pid = client.process.pid
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            found += map(int, f.read().split())
    return [pid for pid in found
            if open(f"/proc/{pid}/comm", encoding="ascii").read() == "sleep\n"]


def test_at_once():
    """The locks of many that come together are counted right."""
    trap = Trap()
    clients = []
    limit = ("iplimit", "-c", "7", "-d", "together")

    def one(i):
        clients.append(connect(trap, f"192.0.2.{i}", *limit))
    threads = [threading.Thread(target=one, args=[i]) for i in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    is_same(sorted(c.greeting[:3] for c in clients),
            [b"220"] * 7 + [b"421"] * 23, "seven of thirty at once")
    for client in clients:
        client.close()


def test_nested():
    trap = Trap()
    nested = ("iplimit", "-c", "2", "iplimit", "-c", "1", "-4", "32")
    held = [connect(trap, a, *nested) for a in ("192.0.2.1", "192.0.2.2")]
    pid = held[0].process.pid
    is_same(sorted(os.listdir(f"/proc/{pid}/fd"))[:5],
            ["0", "1", "2", "3", "4"], "two locks in a chain are kept")
    is_same(greeting(trap, "192.0.2.3", *nested), "421", "the outer limit")
    held[0].close()
    is_same([greeting(trap, a, *nested) for a in ("192.0.2.2", "192.0.2.3")],
            ["421", "220"], "the inner limit; the refused hold nothing")
    held[1].close()
    deep = sum(
        (("iplimit", "-c", "9", "-d", f"d{i}") for i in range(12)), ())
    is_same(greeting(trap, "192.0.2.9", *deep), "220", "twelve in a chain")
    is_same(greeting(trap, "192.0.2.9", "iplimit", "-c", "1", *deep), "421",
            "thirteen are too many")


def test_strangers():
    """A descriptor that came from elsewhere is closed, whatever IPLIMIT is."""
    trap = Trap()
    for value in ("1", "01", "13", "x", "-1", "", "99999999999"):
        inside, outside = socket.socketpair()
        process = subprocess.Popen(
            ["sh", "-c", f'exec 3<&{inside.fileno()} trap-smtpd'],
            cwd=trap.dir, env=trap.environment(who("192.0.2.1", IPLIMIT=value)),
            pass_fds=[inside.fileno()], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=trap.log_file)
        process.stdout.readline()
        is_same(os.path.exists(f"/proc/{process.pid}/fd/3"), False,
                f"IPLIMIT={value}: a socket is no lock")
        process.communicate(timeout=DEADLINE_S)
        inside.close()
        outside.close()


def run(*arguments, address="192.0.2.1", cwd="/"):
    env = {"PATH": BUILD + ":/bin:/usr/bin", "LSAN_OPTIONS": "detect_leaks=0"}
    if address:
        env["TCPREMOTEIP"] = address
    p = subprocess.run(["iplimit", *arguments], cwd=cwd, text=True,
                       env=env, capture_output=True, timeout=DEADLINE_S)
    return p.returncode, p.stdout, p.stderr


def test_trouble():
    trap = Trap()
    for wrong in (["-c", "2"], ["true"], ["-c", "0", "true"],
                  ["-c", "4097", "true"], ["-c", "1", "-4", "33", "true"],
                  ["-c", "1", "-6", "129", "true"], ["-c", "1", "-x", "true"],
                  ["-c", "1x", "true"]):
        is_same(run(*wrong, cwd=trap.dir)[0], 100, "usage: " + " ".join(wrong))
    for right in (["-c", "4096"], ["-c", "1", "-4", "0", "-6", "128"]):
        is_same(run(*right, "true", cwd=trap.dir)[0], 0, " ".join(right))
    down = (111, "421 4.3.0 Service not available\n")
    result = run("-c", "1", "-d", "no/such", "true", cwd=trap.dir)
    is_same(result[:2], down, "no directory")
    ok("iplimit: warning: unable to take a place in no/such: " in result[2], "logged",
       result[2])
    result = run("-c", "1", "-d", "x" * 5000, "true", cwd=trap.dir)
    is_same(result[:2], down, "a name too long")
    result = run("-c", "1", "no-such-program", cwd=trap.dir)
    is_same(result[:2], down, "no such program")
    for address in (None, "unknown"):
        result = run("-c", "1", "echo", "in", address=address, cwd=trap.dir)
        is_same(result[:2], (0, "in\n"), f"address {address}: let in")
        ok("warning: no address of the client" in result[2], "and logged")
    result = run("-c", "1", "sh", "-c", "kill -PIPE $$", cwd=trap.dir)
    is_same(result[0], -signal.SIGPIPE, "the program has default signals")


test_limit()
test_length()
test_behind()
test_killed()
test_at_once()
test_nested()
test_strangers()
test_trouble()
done()
