#!/usr/bin/env python3
"""Many clients at once, slow ones, idle ones, and ones that want our memory."""
import os
import re
import select
import socket
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
from smtptest import (  # noqa: E402
    ACCEPTED, SANITIZED, Server, Trap, done, files_under, is_same, ok, skip,
    stored, wait_until)

PIPELINE = ["rcptcheck", "received-line", "deliver-dirqueue queue"]
RULES = "/^old/ DENY no such user"
CLIENTS = 40 if SANITIZED else 200
IDLE = 50
EACH = 5
BUSY_S = 600  # far above what anything here takes


def new_trap(**controls):
    return Trap(PIPELINE, rcptcheck=RULES, **controls)


def message(client, number):
    """One that shows what is torn: its number is on every line."""
    lines = 1 + (client * 37 + number * 101) % 400
    line = b"client %d message %d " % (client, number)
    return b"Subject: numbered\r\n\r\n" + b"".join(
        line + b"line %d of %d\r\n" % (i, lines) for i in range(lines))


def deliver(server, number, acknowledged, wrong, barrier):
    try:
        client = server.connect()
        client.greet()
        barrier.wait()
        for i in range(EACH):
            client.send(b"MAIL FROM:<%d@sender.example>\r\n"
                        b"RCPT TO:<%d.%d@trap.example>\r\nDATA\r\n"
                        % (number, number, i))
            replies = client.reply() + client.reply() + client.reply()
            client.send(message(number, i) + b".\r\n")
            answer = client.reply()
            if b"354" in replies and answer.startswith(ACCEPTED):
                acknowledged.append(answer.split()[-1].decode())
            else:
                wrong.append((number, i, replies, answer))
        client.say("QUIT")
        client.finish()
    except Exception as error:
        wrong.append((number, repr(error)))


def drip(server, result):
    """A client that sends a byte each 10 ms, from another world."""
    client = server.connect()
    session = (b"HELO slow\r\nMAIL FROM:<slow@sender.example>\r\n"
               b"RCPT TO:<slow@trap.example>\r\nDATA\r\nslow\r\n.\r\nQUIT\r\n")
    for byte in session:
        client.send(bytes([byte]))
        select.select([], [], [], 0.01)
    result.append(b"".join(client.finish()))


def test_many():
    trap = new_trap()
    server = Server(trap, CLIENTS + IDLE + 10)
    idle = [server.connect() for _ in range(IDLE)]
    for client in idle:
        client.greet()
    acknowledged, wrong, slow = [], [], []
    barrier = threading.Barrier(CLIENTS, timeout=BUSY_S)
    threads = [threading.Thread(target=deliver, args=(
        server, number, acknowledged, wrong, barrier))
        for number in range(CLIENTS)]
    threads.append(threading.Thread(target=drip, args=(server, slow)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ok(not wrong, f"{CLIENTS} clients at once, {EACH} messages each, {IDLE} "
       "idle ones: all queued", wrong[:5])
    jobs = trap.jobs()
    fast = [job for job in jobs if job.meta["mail_from"][:4] != b"slow"]
    sent = {(b"%d.%d@trap.example" % (c, m)): stored(message(c, m))
            for c in range(CLIENTS) for m in range(EACH)}
    is_same(len(fast), CLIENTS * EACH, "none lost, none doubled")
    is_same({job.meta["rcpt_to"] for job in fast}, set(sent), "each number")
    ok(all(job.sent() == sent[job.meta["rcpt_to"]] for job in fast),
       "none torn")
    is_same(sorted(acknowledged), sorted(job.name for job in fast),
            "each under the name that its client heard")
    ok(all(job.meta["mail_from"].partition(b"@")[0]
           == job.meta["rcpt_to"].partition(b".")[0] for job in fast),
       "none with another's envelope")
    ok(b"250 2.6.0 queued as" in slow[0] and b"221 2.0.0" in slow[0],
       "a client that sends a byte each 10 ms is served", slow)
    is_same(len(files_under(trap.queue)), 2 * len(jobs),
            "no other file is in the queue")
    alive = [client.say("NOOP") for client in idle]
    is_same(set(alive), {b"250 2.0.0 Ok\r\n"}, "the idle ones are still there")
    for client in idle:
        client.close()
    ended = trap.log
    ok(wait_until(lambda: ended().count("trap-smtpd: end ")
                  == CLIENTS + IDLE + 1), "each connection has its end line")
    is_same(len(re.findall(r"^trap-smtpd: message .* answer=\"250 2\.6\.0 "
                           r"queued as \S+\" ", trap.log(), re.M)),
            CLIENTS * EACH + 1, "each message has its line, none torn")
    ok(wait_until(lambda: trap.processes() == [server.process.pid]),
       "no process is left", trap.processes())
    server.stop()


# ---- Memory

def written_kb(pid):
    """What the process has written to, counted page by page: VmRSS is some
    pages off, and has those of its files that happen to be in memory."""
    with open(f"/proc/{pid}/smaps_rollup") as f:
        return int(re.search(r"Anonymous:\s+(\d+)", f.read())[1])


def is_asleep(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] == "S"
    except OSError:  # it has just ended
        return False


def family(trap):
    """Memory of each program of the trap, by its name, when none has anything
    to do: in three looks, for work may go from one to another."""
    wait_until(lambda: all(is_asleep(pid) for _ in range(3)
                           for pid in trap.processes()))
    found = {}
    for pid in trap.processes():
        with open(f"/proc/{pid}/comm") as f:
            found[f.read().strip()] = written_kb(pid)
    return found


def pump(client, data, times):
    """Send data so often, and drop what is answered, as it comes."""
    client.socket.setblocking(False)
    left, at = times, 0
    deadline = time.monotonic() + BUSY_S
    while left and time.monotonic() < deadline:
        readable, writable, _ = select.select(
            [client.socket], [client.socket], [], 1)
        if readable and not client.receive():
            break
        if writable:
            at += client.socket.send(data[at:])
            if at == len(data):
                left, at = left - 1, 0
    client.socket.settimeout(BUSY_S)
    return not left


def answered(client, text):
    """Drop replies until the one that has text in it."""
    seen = b""
    while text not in seen:
        more = client.receive()
        if not more:
            return False
        seen = seen[-100:] + more
    return True


def test_growth(name, start, data, times, last, answer, **controls):
    """The memory of each process, before and after so much of it."""
    if SANITIZED:
        skip(name, "its memory is not ours to judge")
        return
    trap = new_trap(**controls)
    client = trap.connect(kind=socket.SOCK_STREAM)
    client.greet()
    for line in start:
        client.say(line)
    pump(client, data, max(1, times // 5))  # until its buffers are full
    client.send(b"")
    before = family(trap)
    sent = pump(client, data, times)
    after = family(trap)
    client.send(last)
    ok(sent and answered(client, answer), f"{name}: answered at the end")
    client.close()
    grown = {program: (before.get(program), after[program])
             for program in after
             if after[program] > before.get(program, 4096) + 256}
    ok(after and not grown, f"{name}: memory stays", f"{before} {after}")


def test_memory():
    envelope = ["MAIL FROM:<a@b.example>", "RCPT TO:<c@d.example>"]
    test_growth("100,000 recipients refused", envelope[:1],
                b"RCPT TO:<old@d.example>\r\n" * 100, 1000,
                b"QUIT\r\n", b"221 2.0.0 Bye")
    test_growth("100,000 recipients over maxrcpt", envelope,
                b"RCPT TO:<c@d.example>\r\n" * 100, 1000,
                b"QUIT\r\n", b"221 2.0.0 Bye", maxrcpt=1)
    test_growth("a line of 100 MB", envelope, b"x" * 100000, 1000,
                b"\r\nNOOP\r\n", b"250 2.0.0 Ok")
    test_growth("a body of 100 MB", [*envelope, "DATA"], b"x" * 100000, 1000,
                b"\r\n.\r\n", b"250 2.6.0", databytes=0)
    test_growth("a body of 100 MB over databytes", [*envelope, "DATA"],
                b"x" * 100000, 1000, b"\r\n.\r\n", b"552 5.3.4",
                databytes=1000)
    test_growth("100,000 transactions", [*envelope, "RSET"],
                b"MAIL FROM:<>\r\nRCPT TO:<c@d.example>\r\nRSET\r\n" * 100,
                1000, b"QUIT\r\n", b"221 2.0.0 Bye")
    test_growth("1,000,000 chunks", envelope, b"BDAT 1\r\nx" * 1000, 1000,
                b"BDAT 0 LAST\r\n", b"250 2.6.0", databytes=0)


def test_many_recipients():
    """100,000 accepted ones: the pipeline says when it has enough."""
    trap = new_trap(maxrcpt=100000)
    client = trap.connect(kind=socket.SOCK_STREAM)
    client.greet()
    client.say("MAIL FROM:<a@b.example>")
    ok(pump(client, b"RCPT TO:<c@d.example>\r\n" * 100, 1000),
       "100,000 recipients that a stage has to keep")
    peak = 0 if SANITIZED else max(family(trap).values())
    client.send(b"DATA\r\n")
    ok(answered(client, b"354 End"), "... come to DATA")
    client.send(b"x\r\n.\r\n")
    ok(answered(client, ACCEPTED), "... and are queued")
    ok(peak < 20000, "... no stage has over 20 MB", peak)
    client.close()


test_many()
test_memory()
test_many_recipients()
done()
