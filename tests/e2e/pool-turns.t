#!/usr/bin/env python3
"""A pool whose pipelines are all lent: who waits gets one soon, whatever the
holders do; and a pipeline that is given back is empty."""
import os
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, "tests/e2e/lib")
from smtptest import (ACCEPTED, DEADLINE_S, Client, Server, Trap,  # noqa: E402
                      done, is_same, ok)

TRIES = 20
ENVELOPE = ("MAIL FROM:<a@b.example>", "RCPT TO:<u@trap.example>")


def new_trap(*options, **control):
    """Whoever waits in vain is refused long before the client gives up."""
    trap = Trap(pipeline=("received-line", "deliver-dirqueue queue"),
                poolwait=str(DEADLINE_S - 20), **control)
    trap.start_pool(*options)
    return trap


class Borrower:
    """One that does not give back when he is asked to."""

    def __init__(self, trap):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(trap.dir + "/pool")
        self.socket.settimeout(DEADLINE_S)

    def receive(self):
        """The pool's word, and head and tail, if they come with it."""
        word, fds = socket.recv_fds(self.socket, 1, 2)[:2]
        return word, fds


class Thread:
    """Does something over and over until it is left."""

    def __init__(self, step):
        self.step = step
        self.left = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.left.is_set():
            self.step()

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.left.set()
        self.thread.join()


def connect(trap):
    client = trap.connect(kind=socket.SOCK_STREAM)
    client.greet()
    return client


def body(client):
    client.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
    return client.reply()


def is_served(trap, name, accepted=ACCEPTED):
    """Whether another client can deliver."""
    client = connect(trap)
    client.say(*ENVELOPE)
    client.say("DATA")
    answer = body(client)
    client.say("QUIT")
    client.close()
    return ok(answer.startswith(accepted), f"{name}: the next is served", answer)


def test_given_back_empty():
    """What it was told of a client comes out before it is given back."""
    trap = new_trap("-n1", "-m1")
    client = connect(trap)
    count = 400
    replies = []

    def take():
        while len(replies) < 3 * count + 1:
            replies.append(client.reply()[:3])

    taker = threading.Thread(target=take)
    taker.start()
    for n in range(count):
        client.send(f"HELO {n}{'h' * 150}\r\nMAIL FROM:<a@b.example>\r\nRSET\r\n"
                    .encode())
    client.send(b"QUIT\r\n")
    taker.join()
    is_same(set(replies[:-1]), {b"250"}, "many HELO, MAIL, RSET")
    client.close()
    word, (head, tail) = Borrower(trap).receive()
    is_same(word, b"B", "... then the next one has the pipeline")
    os.set_blocking(tail, True)
    os.write(head, b"RSET\n")
    is_same(os.read(tail, 4096), b"RSET\n", "nothing is in it")


def test_reads_nothing():
    """A client that takes no replies."""
    trap = new_trap("-n1", "-m1")
    server = Server(trap)
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    sock.connect(("127.0.0.1", server.port))
    client = Client(sock)
    client.greet()
    sock.settimeout(2)
    try:
        for _ in range(10000):
            sock.sendall("".join(f"{line}\r\n" for line in (
                *ENVELOPE, *[ENVELOPE[1]] * 50, "RSET")).encode())
    except TimeoutError:
        pass
    is_served(trap, "one takes no replies")
    sock.close()
    server.stop()


def test_much_waits():
    """A client whose commands are there already, and take their time."""
    trap = Trap(poolwait=str(DEADLINE_S - 20), pipeline=(
        "sh -c 'while read -r l; do case $l in MAIL*slow*) sleep 1;; "
        "RCPT*) l=\"250 2.1.5 ok\";; BDAT*LAST) read -r _; read -r _; "
        "read -r _; echo XNOTE queued=x; l=\"250 2.6.0 ok\";; esac; "
        "echo \"$l\"; done'",))
    trap.start_pool("-n1", "-m1")
    client = connect(trap)
    client.send(b"MAIL FROM:<slow@b.example>\r\nRSET\r\n" * 100)
    is_served(trap, "a hundred MAIL at a stage that takes a second for each",
              b"250 2.6.0 ok")
    client.process.kill()
    client.close()


def test_flood():
    """A client that sends without a pause and takes all replies."""
    trap = new_trap("-n1", "-m1")
    client = connect(trap)
    piece = "".join(f"{line}\r\n" for line in (
        *ENVELOPE, *[ENVELOPE[1]] * 500, "RSET")).encode()

    def take():
        try:
            while client.socket.recv(65536):
                pass
        except OSError:
            pass

    taker = threading.Thread(target=take)
    taker.start()
    with Thread(lambda: client.send(piece)):
        is_served(trap, "MAIL, many RCPT and RSET without a pause")
    client.socket.shutdown(socket.SHUT_RDWR)
    taker.join()
    client.close()


def test_long_envelope():
    """What is told of the envelope can always be told again."""
    trap = new_trap("-n1", "-m1", maxrcpt="10000")
    client = connect(trap)
    client.say(ENVELOPE[0])
    answers = [client.say(f"RCPT TO:<{n}{'u' * 200}@trap.example>")[:3]
               for n in range(400)]
    taken = answers.count(b"250")
    is_same(answers, [b"250"] * taken + [b"452"] * (400 - taken),
            "as many recipients as there is room for")
    ok(250 < taken < 320, "... of 65536 bytes", taken)
    is_served(trap, "one with many recipients")
    client.say("DATA")
    ok(body(client).startswith(ACCEPTED), "... who goes on then")
    is_same(max(job.meta["rcpt_to"].count(b"@") for job in trap.jobs()), taken,
            "... with all that were taken")
    client.close()


def begin_large(trap):
    """A message of which so much was sent that the pipeline has some."""
    client = connect(trap)
    client.say(*ENVELOPE)
    client.say("DATA")
    client.send(b"Subject: large\r\n\r\n" + 4000 * (b"x" * 78 + b"\r\n"))
    return client


def test_takes_slowly():
    """Chunks without a pause, from one who lets their replies wait."""
    trap = new_trap("-n1", "-m1", mindatarate="0")
    client = connect(trap)
    client.say(*ENVELOPE)
    client.send(b"BDAT 300000\r\n" + b"x" * 300000)
    is_same(client.reply()[:3], b"250", "a chunk")
    left = threading.Event()

    def send():
        try:
            while not left.is_set():
                client.socket.sendall(b"BDAT 1\r\nx" * 200)
        except OSError:
            pass

    def take():
        try:
            while not left.wait(0.6) and client.socket.recv(200000):
                pass
        except OSError:
            pass

    threads = [threading.Thread(target=send), threading.Thread(target=take)]
    threads[0].start()
    time.sleep(1)  # until there is no more room for replies
    waiting = Borrower(trap)
    threads[1].start()
    is_same(waiting.receive()[0], b"B", "who takes replies slowly gives way")
    left.set()
    client.socket.shutdown(socket.SHUT_RDWR)
    for thread in threads:
        thread.join()
    client.close()


def test_trickles():
    trap = new_trap("-n1", "-m1", mindatarate="0")
    client = begin_large(trap)
    with Thread(lambda: (client.send(b"x"), time.sleep(0.5))):
        is_served(trap, "a large body, then a byte every half second")
    client.send(b"\r\n.\r\n")
    is_same(client.reply()[:3], b"451", "... the slow one hears 451")
    client.close()


def test_keeps_moving():
    trap = new_trap("-n1", "-m1")
    client = begin_large(trap)
    waiting = Borrower(trap)
    for _ in range(12):
        time.sleep(0.2)
        client.send(500 * (b"y" * 78 + b"\r\n"))
    client.send(b".\r\n")
    ok(client.reply().startswith(ACCEPTED),
       "who keeps sending keeps the pipeline, though another waits")
    client.say("QUIT")
    client.close()
    is_same(waiting.receive()[0], b"B", "... who has it then")


def test_stopped():
    """Stopped ourselves while the client goes on: that is no stall of his."""
    trap = new_trap("-n1", "-m1")
    client = begin_large(trap)
    waiting = Borrower(trap)
    time.sleep(0.1)  # it is to have heard of that, and to wait for more
    client.process.send_signal(signal.SIGSTOP)
    time.sleep(0.1)
    client.send(b"y\r\n.\r\n")
    time.sleep(1.2)
    client.process.send_signal(signal.SIGCONT)
    ok(client.reply().startswith(ACCEPTED), "a session that was stopped")
    client.close()
    is_same(waiting.receive()[0], b"B", "... and gives back")


def test_begins_anew():
    trap = new_trap("-n1", "-m1")
    client = connect(trap)

    def step():
        client.send(b"MAIL FROM:<a@b.example>\r\nRSET\r\n")
        client.reply()
        client.reply()

    with Thread(step):
        is_served(trap, "one that says MAIL and RSET all the time")
    client.close()


def test_does_not_answer():
    """The pool asks another one."""
    trap = new_trap("-n2", "-m2")
    deaf = Borrower(trap)
    is_same(deaf.receive()[0], b"B", "one has a pipeline and hears nothing")
    client = connect(trap)
    client.say(*ENVELOPE)
    is_served(trap, "one who hears nothing, one who can be asked")
    client.say("DATA")
    ok(body(client).startswith(ACCEPTED), "... who goes on then")
    client.close()
    deaf.socket.close()


def test_lingers():
    """A session that is over holds nothing while it is seen off."""
    for _ in range(TRIES):
        trap = new_trap("-n1", "-m1")
        client = connect(trap)
        client.say(*ENVELOPE)
        client.send(b"QUIT\r\nmore")
        client.reply()
        Borrower(trap).receive()
        early = "trap-smtpd: end " not in trap.log()
        client.close()
        if early:
            break
    ok(early, "a client that stays after QUIT has no pipeline", trap.log())


test_given_back_empty()
test_reads_nothing()
test_much_waits()
test_flood()
test_long_envelope()
test_takes_slowly()
test_trickles()
test_keeps_moving()
test_stopped()
test_begins_anew()
test_does_not_answer()
test_lingers()
done()
