#!/usr/bin/env python3
"""control/persona: the trap says what the real servers said (tests/bench/
transcribe), but for what differs each time; trap and other addresses are
answered alike; rules that are wrong."""
import fcntl
import os
import re
import shutil
import socket
import sys
import termios

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
from smtptest import Trap, done, is_same, ok, wait_until  # noqa: E402

PERSONAS = "run/trap/control/personas"
# What is another each time, or set by the operator.
MASKS = (
    (rb"(queued as )[0-9A-F]{12}$", rb"\1ID"),
    (rb"(id=)\w{6}-\w{6}-\w{2}$", rb"\1ID"),
    (rb"\d+( byte|-byte)", rb"N\1"), (rb"(total )\d+", rb"\1N"),
    (rb"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}", b"DATE"),
    (rb"SIZE \d+", b"SIZE N"), (rb" \(Debian/GNU\)$", b""), (rb" +$", b""),
)


# What every persona may offer: trap-smtpd keeps it, or it is a command that is
# answered.
KEPT = {b"PIPELINING", b"SIZE", b"8BITMIME", b"SMTPUTF8", b"CHUNKING", b"DSN",
        b"ENHANCEDSTATUSCODES", b"VRFY", b"ETRN", b"HELP", b"PIPECONNECT"}


def masked(line):
    for pattern, text in MASKS:
        line = re.sub(pattern, text, line)
    return line


def new_trap(persona, **control):
    trap = Trap(pipeline=("rcptcheck", "deliver-dirqueue queue"),
                rcptcheck="/^unknown@/ DENY no such user\n/./ OK",
                me="trap.example", persona=persona, **control)
    shutil.copytree(PERSONAS, trap.dir + "/control/personas")
    return trap


class Talk:
    def __init__(self, trap):
        self.client = trap.connect(
            kind=socket.SOCK_STREAM,
            client={"PROTO": "TCP", "TCPREMOTEIP": "127.0.0.1"})
        self.wire = self.client.socket.makefile("rb")

    def reply(self):
        lines = []
        while True:
            line = self.wire.readline()
            lines.append(line.rstrip(b"\r\n"))
            if line[3:4] != b"-":
                return lines

    def say(self, command):
        self.client.socket.sendall(command + b"\r\n")
        return self.reply()


def sessions(name):
    """[[(command, reply lines)]], the first with no command."""
    found = []
    with open("tests/data/persona/" + name, "rb") as f:
        for line in f.read().splitlines():
            if line == b"--":
                found.append([(None, [])])
            elif line.startswith(b"C: "):
                found[-1].append((line[3:].replace(b"\\r\\n", b"\r\n"), []))
            elif line.startswith(b"S: "):
                found[-1][-1][1].append(line[3:])
    return found


def test_transcripts(name):
    trap = new_trap(name)
    for number, steps in enumerate(sessions(name)):
        talk = Talk(trap)
        got = [[masked(line) for line in
                (talk.reply() if command is None else talk.say(command))]
               for command, _ in steps]
        wanted = [[masked(line) for line in lines] for _, lines in steps]
        is_same(got, wanted, f"{name}: session {number + 1} of a real one")
    is_same(len(trap.jobs()), 2, f"{name}: two messages were queued")


def test_alike(name):
    """Whoever is taken and whoever is not hear the same persona."""
    trap = new_trap(name)
    talk = Talk(trap)
    talk.reply()
    offers = {line[4:].split()[0] for line in talk.say(b"EHLO client.example")[1:]}
    is_same(offers - KEPT, set(), f"{name}: offers nothing that it refuses")
    talk.say(b"MAIL FROM:<a@client.example>")
    for address in (b"user@trap.example", b"other@trap.example"):
        answer = talk.say(b"RCPT TO:<" + address + b">")
        ok(answer[0].startswith(b"250"), f"{name}: taken", answer)
    answer = talk.say(b"RCPT TO:<unknown@trap.example>")
    ok(answer[0].startswith(b"550") and b"such user" not in answer[0],
       f"{name}: refused in its words", answer)
    ok(all(len(line) < 512 and re.fullmatch(rb"[ -~]+", line)
           for line in answer), f"{name}: a line of printable ASCII")
    is_same(talk.say(b"QUIT")[0][:3], b"221", f"{name}: QUIT")


def test_variables():
    trap = new_trap("own")
    trap.control("personas/own", "\n".join((
        "# a comment", "", "HELO 250 -> 250 $me $helo $ip $unknown $ 5$",
        "noop 250 -> 250 $arg|$option|$text\\n$starttls\\nlast",
        "RCPT 250 -> 250 <$to> <$from>", "vrfy 2 -> 299 $starttls",
        "RSET 250 -> 250 " + "$arg" * 9)))
    talk = Talk(trap)
    is_same(talk.reply(), [b"220 trap.example ESMTP"], "no rule: our own words")
    is_same(talk.say(b"HELO \xe4\x1b"), [b"500 5.5.2 Invalid character in "
                                         b"command"], "nor here")
    is_same(talk.say(b"HELO h\xe4 x"),
            [b"250 trap.example h? x 127.0.0.1 $unknown $ 5$"],
            "variables, and what are none")
    is_same(talk.say(b"NOOP a b=c"), [b"250-a b=c|b=c|2.0.0 Ok", b"250 last"],
            "several lines; one that is empty is left out")
    is_same(talk.say(b"VRFY x"), [b"299 "], "an only line is not")
    talk.say(b"MAIL FROM:<@r:\"a>b\"@c>")
    is_same(talk.say(b"RCPT TO:<\"d>\"@e> NOTIFY=NEVER"),
            [b"250 <\"d>\"@e> <\"a>b\"@c>"], "addresses with > in them")
    talk.client.socket.sendall(b"RCPT TO:<1@e>\r\nRCPT TO:<2@e>\r\nNOOP x\r\n")
    is_same([talk.reply() for _ in range(3)],
            [[b"250 <1@e> <\"a>b\"@c>"], [b"250 <2@e> <\"a>b\"@c>"],
             [b"250-x|x|2.0.0 Ok", b"250 last"]], "pipelined, each its own")
    long = talk.say(b"RSET " + b"y" * 3000)
    ok(len(long) == 1 and len(long[0]) <= 512, "a reply is cut", len(long[0]))
    is_same(talk.say(b"NOOP"), [b"250-||2.0.0 Ok", b"250 last"],
            "and the next one is whole")


def test_helo():
    """What is asked for is asked for again after each STARTTLS or XCLIENT."""
    trap = new_trap("sendmail", xclient="127.0.0.1")
    talk = Talk(trap)
    talk.reply()
    first = [b"503 5.0.0 Polite people say HELO first"]
    is_same(talk.say(b"MAIL FROM:<a@b.example>"), first, "HELO is wanted")
    is_same(talk.say(b"RCPT TO:<c@d.example>"),
            [b"503 5.0.0 Need MAIL before RCPT"], "... and there is no MAIL")
    talk.say(b"HELO client.example")
    is_same(talk.say(b"MAIL FROM:<a@b.example>"),
            [b"250 2.1.0 <a@b.example>... Sender ok"], "then MAIL is taken")
    talk.say(b"RSET")
    talk.say(b"XCLIENT ADDR=192.0.2.1")
    is_same(talk.say(b"MAIL FROM:<a@b.example>"), first, "wanted again")


def test_late():
    """A time-out before any command is no answer to CONNECT."""
    trap = new_trap("postfix", timeout="1")
    talk = Talk(trap)
    talk.reply()
    is_same(talk.reply(), [b"421 4.4.2 trap.example Error: timeout exceeded"],
            "a time-out")


def test_chunk():
    """What a chunk's reply says of its command, the chunk has not changed."""
    trap = new_trap("own")
    trap.control("personas/own", "BDAT 250 -> 250 2.0.0 Ok: $arg bytes")
    talk = Talk(trap)
    talk.reply()
    talk.say(b"MAIL FROM:<a@b>")
    talk.say(b"RCPT TO:<c@d>")
    is_same(talk.say(b"BDAT 3000\r\n" + b"a secret" * 374 + b"......"),
            [b"250 2.0.0 Ok: 3000 bytes"], "a chunk in one packet")
    sent = talk.client.socket
    sent.sendall(b"BDAT 70000\r\n")
    wait_until(lambda: not has_unread(sent))
    sent.sendall(b"a secret" * 8750)
    is_same(talk.reply(), [b"250 2.0.0 Ok: 70000 bytes"], "and in several")


def test_heard():
    """The log has what the client heard, so that his log can be matched."""
    trap = new_trap("postfix")
    talk = Talk(trap)
    talk.reply()
    ok(talk.say(b" \tEHLO x") == talk.say(b"EHLO x"), "blanks before a command")
    heard = []
    for _ in range(2):
        for command in (b"MAIL FROM:<a@b>", b"RCPT TO:<c@d>", b"DATA"):
            talk.say(command)
        heard += talk.say(b".")
    for command in (b"MAIL FROM:<a@b>", b"RCPT TO:<c@d>"):
        talk.say(command)
    heard += talk.say(b"BDAT 1 LAST\r\nx")
    log = trap.log()
    is_same(re.findall('heard="([^"]*)"', log),
            [text.decode() for text in heard], "heard=, of each message")
    is_same(len(set(heard)), 3, "each its own")


def has_unread(sock):
    """Whether the other end has not read all."""
    queued = fcntl.ioctl(sock, termios.TIOCOUTQ, b"\0" * 4)
    return any(queued)


def test_wrong():
    for text, name in (("NOOP 250 > 250 x", "no arrow"),
                       ("NOOP -> 250 x", "no reply"),
                       ("NOOP 250 -> x", "no code"),
                       ("NOOP 250 -> 250", "no text"),
                       ("RCPT 250 -> 550 x", "no for yes"),
                       ("* 4 -> 250 x", "yes for no")):
        trap = new_trap("own")
        trap.control("personas/own", text)
        talk = Talk(trap)
        ok(talk.reply()[0].startswith(b"421 ") and
           "personas/own: a line is not" in trap.log(), name, trap.log())
    for value, word in (("../me", "not the name"), (".x", "not the name"),
                        ("none", "No such file")):
        trap = new_trap(value)
        ok(Talk(trap).reply()[0].startswith(b"421 ") and word in trap.log(),
           f"persona {value}", trap.log())


for real in sorted(os.listdir("tests/data/persona")):
    test_transcripts(real)
for shipped in sorted(os.listdir(PERSONAS)):
    test_alike(shipped)
test_variables()
test_helo()
test_late()
test_chunk()
test_heard()
test_wrong()
done()
