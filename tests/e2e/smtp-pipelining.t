#!/usr/bin/env python3
"""Commands in one packet: answers in order, in as few packets, and the same
wherever the packets part."""
import os
import socket
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
from smtptest import (  # noqa: E402
    SANITIZED, Trap, done, is_same, masked, ok)

MESSAGE = (b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n"
           b"RCPT TO:<old@d.example>\r\nRCPT TO:<e@d.example>\r\nDATA\r\n"
           b"text\r\n..dot\r\n.\r\n")
ANSWERS = (b"250 2.1.0 Ok\r\n250 2.1.5 ok\r\n550 5.1.1 no such user\r\n"
           b"250 2.1.5 ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n"
           b"250 2.6.0 queued as ID\r\n")
GREETING = b"220 trap.example ESMTP\r\n"
BYE = b"221 2.0.0 Bye\r\n"


def full_trap(**controls):
    return Trap(["rcptcheck", "received-line", "deliver-dirqueue queue"],
                rcptcheck="old@d.example DENY no such user", **controls)


def test_packets():
    """A socket pair of packets: what one send gives, one recv gets."""
    trap = full_trap()
    got = trap.run([MESSAGE[:-len(b"text\r\n..dot\r\n.\r\n")],
                    b"text\r\n..dot\r\n.\r\n", MESSAGE * 3 + b"QUIT\r\n"])
    parts = ANSWERS.split(b"250 2.6.0")
    is_same([masked(packet) for packet in got],
            [GREETING, parts[0], b"250 2.6.0" + parts[1], ANSWERS * 3 + BYE],
            "as many packets of replies as of commands")
    is_same(len(trap.jobs()), 4, "each message is in the queue")
    ok(all(job.data().startswith(b"Received: from unknown (client.example ")
           for job in trap.jobs()), "each with its Received line")
    ok(all(job.sent() == b"text\n.dot\n" for job in trap.jobs()),
       "each with its body")


def test_whole_session():
    trap = full_trap()
    got = trap.run([b"EHLO x\r\n" + MESSAGE + b"QUIT\r\n"])
    is_same(len(got), 2, "a session in one packet: greeting, and one of all")
    got = trap.run([b"NOOP\r\n" * 40])
    is_same(got[1:], [b"250 2.0.0 Ok\r\n" * 40], "forty commands, one packet")


def test_writes():
    """The same under strace, on a stream."""
    trap = full_trap()
    trace = trap.dir + "/trace"
    client = trap.connect(kind=socket.SOCK_STREAM, prefix=(
        "strace", "-qq", "-e", "trace=sendto", "-o", trace))
    client.send(b"EHLO x\r\n" + MESSAGE * 5 + b"QUIT\r\n")
    client.finish()
    with open(trace) as f:
        sends = f.read().count("sendto(1,")
    is_same(sends, 2, "five messages pipelined: greeting, and one write of all")


def test_many_recipients():
    trap = full_trap()
    rcpt = b"RCPT TO:<c@d.example>\r\nRCPT TO:<old@d.example>\r\n"
    got = trap.run([b"MAIL FROM:<>\r\n", rcpt * 300, b"DATA\r\n",
                    b".\r\nQUIT\r\n"])
    answers = b"".join(got)
    wanted = b"250 2.1.5 ok\r\n550 5.1.1 no such user\r\n" * 300
    ok(wanted in answers, "600 recipients pipelined: all answers, in order")
    ok(len(got) <= 4 + len(wanted) // 4096 + 1, "in packets well filled",
       len(got))
    is_same(trap.jobs()[0].meta["rcpt_to"].count(b"\t"), 299,
            "those accepted are in the queue")


def test_splits():
    trap = full_trap()
    session = (b"EHLO x\r\n" + MESSAGE + b"MAIL FROM:<>\r\n"
               b"RCPT TO:<c@d.example>\r\nBDAT 4\r\na\r\nbBDAT 3 LAST\r\n\r\nc"
               b"RSET\r\nQUIT\r\n")
    wanted = masked(b"".join(trap.run([session])))
    bodies = [b"text\n.dot\n", b"a\nb\nc"]
    is_same([job.sent() for job in trap.jobs()], bodies, "a session to split")
    ok(wanted.endswith(BYE), "all of it answered", wanted)
    wrong = []
    step = 13 if SANITIZED else 1
    for at in range(1, len(session), step):
        trap.clear()
        if masked(b"".join(trap.run([session[:at], session[at:]]))) != wanted:
            wrong.append(session[:at])
        jobs = [job.sent() for job in trap.jobs()]
        if jobs != bodies:
            wrong.append(jobs)
    ok(not wrong, f"two packets, at each of {len(session)} places", wrong)
    trap.clear()
    got = trap.run([session[i:i + 1] for i in range(len(session))])
    is_same(masked(b"".join(got)), wanted, "byte by byte")


def test_waiting():
    """No answer waits for a command that has not come."""
    client = full_trap().connect()
    client.reply()
    for part in MESSAGE.split(b"\r\n")[:5]:
        client.send(part + b"\r\n")
        ok(client.reply(), f"{part.decode()} is answered when it came")
    client.send(b"text\r\n.\r\nNO")
    ok(client.reply().startswith(b"250 2.6.0"),
       "half a command does not hold the answer before it")
    client.send(b"OP\r\n")
    is_same(client.reply(), b"250 2.0.0 Ok\r\n", "its other half")
    client.finish()


def test_refused_sender():
    """A sink in front takes recipients, a stage behind has refused MAIL: they
    are not those of the next transaction."""
    refuse = ("sh -c 'while read -r l; do case $l in *bad*) echo 550 5.7.1 no;;"
              " *) echo \"$l\";; esac; done'")
    trap = Trap(["deliver-dirqueue queue", refuse])
    got = trap.run([b"MAIL FROM:<bad@b.example>\r\nRCPT TO:<c@d.example>\r\n"
                    b"RCPT TO:<c@d.example>\r\nDATA\r\n",
                    b"MAIL FROM:<a@b.example>\r\n", b"DATA\r\n",
                    b"RCPT TO:<e@d.example>\r\n", b"DATA\r\n", b".\r\n"])
    is_same(masked(b"".join(got)), GREETING + b"550 5.7.1 no\r\n"
            b"250 2.1.5 ok\r\n250 2.1.5 ok\r\n503 5.5.1 Need MAIL command\r\n"
            b"250 2.1.0 Ok\r\n554 5.5.1 No valid recipients\r\n"
            b"250 2.1.5 ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n"
            b"250 2.6.0 queued as ID\r\n",
            "recipients of a refused sender do not count later")
    ok("rcpt=1 refused=0" in trap.log(), "nor in the log", trap.log())


def test_hung_up():
    """A chunk behind a verdict that hangs up is not waited for."""
    trap = Trap(["rcptcheck", "deliver-dirqueue queue"], timeout="600",
                rcptcheck="old@d.example DENY_DISCONNECT go away")
    client = trap.connect(kind=socket.SOCK_STREAM)
    client.send(b"MAIL FROM:<a@b.example>\r\nRCPT TO:<old@d.example>\r\n"
                b"BDAT 999999999\r\nx")
    got = b"".join(client.finish(hang_up=False))
    is_same(got.split(b"\r\n")[1:], [b"250 2.1.0 Ok", b"550 5.1.1 go away", b""],
            "hung up, in front of a chunk")


test_packets()
test_whole_session()
test_writes()
test_many_recipients()
test_splits()
test_waiting()
test_refused_sender()
test_hung_up()
done()
