#!/usr/bin/env python3
"""The end of DATA is CRLF.CRLF and nothing else, and what is stored is what was
sent, with LF for CRLF and the stuffed dots gone."""
import os
import random
import socket
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
from smtptest import (  # noqa: E402
    ACCEPTED, SANITIZED, Trap, done, dot_stuffed, is_same, ok, stored)

ENVELOPE = b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n"
SMUGGLED = (b"MAIL FROM:<evil@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n"
            b"evil\r\n.\r\n")
TRICKS = [
    b"\n.\n", b"\r.\r", b"\r\n.\n", b"\n.\r\n", b"\r.\r\n", b"\r\n.\r",
    b"\n.\r", b"\r.\n", b"\r\n.\r\r\n", b"\r\n.\r.\r\n", b"\n\r.\n\r",
    b"\n\r\n.\n\r\n", b"\r\n.\n.\n", b"\r\r\n.\n", b"\r\n\r.\r\n",
    b"\r\n.\0\r\n", b"\r\n\0.\r\n", b"\0\r\n.\n", b"\r\0\n.\r\0\n",
    b"\r\n.\r\0\n", b"\r\n.\0", b"\r\n. \r\n", b"\r\n.\t\r\n", b"\r\n.x\r\n",
    b"\r\n..\r\n", b"\r\n...\r\n", b"\r\n..\n", b"\v.\v", b"\f.\f",
    b"\r\n.\v\r\n", b"\r\v\n.\r\v\n", b"\x85.\x85", b"\xc2\x85.\xc2\x85",
    b"\xe2\x80\xa8.\xe2\x80\xa8", b"\r\n.\xe2\x80\xa8", b"\r\n\x2e\x0d\x85",
    b"\r\r", b"\r", b"\n", b"\0",
]


def decoded(wire):
    """What RFC 5321 makes of wire, all that follows 354: message and rest."""
    if wire.startswith(b".\r\n"):
        return b"", wire[3:]
    text, end, rest = wire.partition(b"\r\n.\r\n")
    assert end
    lines = text.split(b"\r\n")
    return b"\n".join(line[line[:1] == b".":] for line in lines) + b"\n", rest


def take(trap, packets, kind=socket.SOCK_SEQPACKET):
    """The messages stored from a session, and its last reply."""
    trap.clear()
    got = b"".join(trap.run(packets, kind=kind))
    return [job.data() for job in trap.jobs()], got


def test_tricks(trap):
    for trick in TRICKS:
        wire = b"before" + trick + SMUGGLED
        message, rest = decoded(wire)
        assert message.endswith(b"evil\n") and not rest, trick
        session = ENVELOPE + b"DATA\r\n" + wire + b"QUIT\r\n"
        start = session.index(b"before") + 5
        places = range(start, start + len(trick) + 4, 2 if SANITIZED else 1)
        cuts = [[session]] + [[session[:at], session[at:]] for at in places]
        cuts.append([session[i:i + 1] for i in range(len(session))])
        wrong = []
        for packets in cuts:
            got, replies = take(trap, packets)
            if got != [message] or replies.count(ACCEPTED) != 1:
                wrong.append((packets, got))
        ok(not wrong, f"{trick!r} ends nothing, is stored as it came",
           wrong[:1])


def test_at_the_start(trap):
    for trick in TRICKS + [b".", b"..", b"..\r\n", b".\n", b".\r", b".\0"]:
        wire = trick + b"after\r\n.\r\n"
        message, _ = decoded(wire)
        session = ENVELOPE + b"DATA\r\n" + wire + b"QUIT\r\n"
        got, _ = take(trap, [session])
        is_same(got, [message], f"{trick!r} as the first bytes")


def test_real_ends(trap):
    for text in (b"", b"\r\n", b"\r", b"\r\n\r", b"x", b"x\r\n", b"x\n", b"x\r",
                 b"..", b"x\r\n..", b"\0", b".\0", b"x\r\n.\r\r"):
        wire = text + b"\r\n.\r\n" if text else b".\r\n"
        message, rest = decoded(wire + b"QUIT\r\n")
        session = ENVELOPE + b"DATA\r\n" + wire + b"QUIT\r\n"
        wrong = []
        for at in range(len(session) - len(wire) - 6, len(session) - 5):
            got, replies = take(trap, [session[:at], session[at:]])
            if got != [message] or not replies.endswith(b"221 2.0.0 Bye\r\n"):
                wrong.append((at, got))
        ok(rest == b"QUIT\r\n" and not wrong,
           f"{wire!r} ends it, wherever packets part", wrong[:1])


def bdat(message, pieces, seed):
    """message by BDAT in so many pieces."""
    source = random.Random(seed)
    cuts = sorted(source.randrange(len(message) + 1)
                  for _ in range(pieces - 1))
    out = b""
    for start, end in zip([0] + cuts, cuts + [len(message)]):
        last = b" LAST" if end == len(message) else b""
        out += b"BDAT %d%s\r\n" % (end - start, last) + message[start:end]
        if last:
            return out
    return out


def test_whole(trap, message, name):
    """By BDAT in one piece and in many, and by DATA."""
    for pieces in (1, 2, 7, 100):
        session = ENVELOPE + bdat(message, pieces, pieces) + b"QUIT\r\n"
        got, replies = take(trap, [session], socket.SOCK_STREAM)
        ok(got == [stored(message)] and replies.count(ACCEPTED) == 1,
           f"{name}, by BDAT in {pieces}", f"{replies[-300:]!r}")
    session = ENVELOPE + b"DATA\r\n" + dot_stuffed(message) + b"QUIT\r\n"
    got, replies = take(trap, [session], socket.SOCK_STREAM)
    if not message.endswith(b"\r\n"):
        message += b"\r\n"
    ok(got == [stored(message)] and replies.count(ACCEPTED) == 1,
       f"{name}, by DATA", f"{replies[-300:]!r}")


def test_blocks(trap):
    """CR LF . at every place around the ends of the trap's buffers."""
    wrong = []
    head = ENVELOPE + b"DATA\r\n"
    for end in (65536, len(head) + 253932, 65536 + 253932):
        for around in range(-6, 7):
            fill = end + around - len(head)
            message = b"x" * fill + b"\r\n.y\r\n.\n\r\n\r\r\n"
            session = 2 * (head + dot_stuffed(message)) + b"QUIT\r\n"
            got, _ = take(trap, [session], socket.SOCK_STREAM)
            if got != 2 * [stored(message)]:
                wrong.append((end, around))
    ok(not wrong, "line ends and dots where one read ends", wrong)


def main():
    trap = Trap()
    test_tricks(trap)
    test_at_the_start(trap)
    test_real_ends(trap)
    every = bytes(range(256))
    test_whole(trap, every + every[::-1] + b"\r\n" + every, "every byte value")
    test_whole(trap, b"\r\n" * 5000 + b"." * 5000, "line ends and dots")
    test_whole(trap, random.Random(1).randbytes(1 << 20), "1 MiB at random")
    few = random.Random(2).choices(b"\r\n.\0x", k=1 << 18)
    test_whole(trap, bytes(few), "256 KiB of CR, LF, dot, NUL and x")
    test_blocks(trap)
    done()


main()
