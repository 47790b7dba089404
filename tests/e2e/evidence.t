#!/usr/bin/env python3
"""control/evidence: a transcript of each session that sent a message, and the
client's dialect."""
import atexit
import os
import re
import signal
import ssl
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
from smtptest import (  # noqa: E402
    ACCEPTED, DEADLINE_S, POOLED, Client, Server, Trap, done, is_listening,
    is_same, ok, skip, wait_until)

BODY = (b"Subject: x\r\n\r\n..a dot\r\nbare\nlf, cr\r, nul\0, \xff\\\r\n"
        b"\r\n.\n\n.\r\r\n" + bytes(range(256)) * 300 + b"\r\n.\r\n")
CODES = {b"\\": b"\\", b"r": b"\r", b"n": b"\n"}


class Transcript:
    def __init__(self, path):
        self.path = path
        with open(path, "rb") as f:
            self.text = f.read()
        self.records = []  # (kind, ms, bytes or number)
        at = 0
        while at < len(self.text):
            end = self.text.index(b"\n", at)
            kind, ms, rest = re.fullmatch(rb"([A-Z]) (\d+)(?: (.*))?",
                                          self.text[at:end], re.S).groups()
            at = end + 1
            if kind == b"B":
                size = int(rest)
                rest = self.text[at:at + size]
                if self.text[at + size:at + size + 1] != b"\n":
                    raise ValueError("no LF behind a body")
                at += size + 1
            elif kind in b"CSD":
                rest = re.sub(rb"\\(x(..)|.)", unescape, rest)
            self.records.append((kind.decode(), int(ms), rest))

    def of(self, kinds):
        return [value for kind, _, value in self.records if kind in kinds]

    def sent(self):
        return b"".join(self.of("CBD"))

    def said(self):
        return b"".join(line + b"\r\n" for line in self.of("S"))

    def kinds(self):
        return "".join(kind for kind, _, _ in self.records)


def unescape(m):
    return bytes([int(m[2], 16)]) if m[2] else CODES[m[1]]


class Talk:
    """A client that keeps what it sent and heard."""

    def __init__(self, client):
        self.client = client
        self.sent = self.heard = b""
        self.hear()

    def hear(self):
        answer = self.client.reply()
        self.heard += answer
        return answer

    def say(self, *pieces, replies=1):
        """Each piece, bytes, in a packet; then that many replies."""
        answer = b""
        for piece in pieces:
            self.sent += piece
            self.client.send(piece)
        for _ in range(replies):
            answer = self.hear()
        return answer

    def end(self, hang_up=True):
        self.heard += b"".join(self.client.finish(hang_up))


def evident(**more):
    trap = Trap(evidence="kept", **more)
    os.mkdir(trap.dir + "/kept", 0o700)
    return trap


def kept(trap):
    return sorted(os.listdir(trap.dir + "/kept"))


def the_transcript(trap):
    """Of the only session, when it is over."""
    wait_until(lambda: ": end " in trap.log())
    (name,) = kept(trap)
    return Transcript(f"{trap.dir}/kept/{name}")


def dialects(trap, line):
    return re.findall(rf": {line} .* dialect=(\S+)", trap.log())


def check_whole(transcript, talk, name):
    is_same(transcript.sent(), talk.sent, f"{name}: each byte that was sent")
    is_same(transcript.said(), talk.heard, f"{name}: each reply")
    is_same(sum(map(int, transcript.of("P"))), len(talk.sent),
            f"{name}: the packets have these bytes")
    times = [ms for _, ms, _ in transcript.records]
    ok(times == sorted(times), f"{name}: no time is before the one before it",
       times)
    is_same(transcript.kinds()[0] + transcript.kinds()[-1], "VE",
            f"{name}: begins and ends")


def test_exact():
    trap = evident(authbait="0", maxline="600")
    server = Server(trap)
    talk = Talk(server.connect())
    talk.say(b"EHLO client.example\r\n")
    talk.say(b"auth PLAIN\n")
    talk.say(b"AGJvYgBzZWNyZXQ=\r\n")
    talk.say(b"NOOP " + b"x" * 700 + b"\r\n")
    talk.say(b"\x01\xff\\x\r\n")
    talk.say(b"BDAT 9\r\n123456789")
    talk.say(b"MAIL FROM:<a@b.example> SIZE=9\r\n")
    talk.say(b"RCPT TO:<../../c@d.example>\r\n")
    talk.say(b"RCPT TO:<c2@d.example>\r\n")
    talk.say(b"DATA\r\n")
    ok(talk.say(BODY).startswith(ACCEPTED), "a message of all bytes")
    talk.say(b"MAIL From:<>\r\nRCPT TO:<c@d.example>\r\nBDAT 7\r\na\r\n\n.\r\n",
             b"BDAT 70000 LAST\r\n" + b"\r\n.\r\n\0\n\r" * 8750, replies=4)
    talk.say(b"QUIT\r\nNOOP\r\nand", replies=1)
    talk.end()
    transcript = the_transcript(trap)
    check_whole(transcript, talk, "two messages")
    name = os.path.basename(transcript.path)
    ok(f"session={name} " in trap.log(), "its name is the session's", name)
    is_same(os.stat(transcript.path).st_mode & 0o7777, 0o600, "for us alone")
    jobs = trap.jobs()
    is_same([j.meta["evidence"].decode() for j in jobs], [name] * 2,
            "both jobs have its name")
    wanted = ["EAUYBMRD;XU;mix;tight;fqdn;S;wait", "MRB;XX;mix;tight;fqdn;-;pipe"]
    is_same([j.meta["dialect"].decode() for j in jobs], wanted,
            "and each its dialect")
    is_same(dialects(trap, "message"), wanted, "which the log has, too")
    is_same(dialects(trap, "end"),
            ["EAUYBMRDMRBQ;XX;mix;tight;fqdn;-;rude"],
            "and that of the session")
    is_same(transcript.of("E"), [b"quit"], "the end is the log's")
    server.stop()


def test_packets():
    trap = evident()
    talk = Talk(trap.connect())
    talk.say(b"HELO x\r\n")
    talk.say(b"MAIL FR", b"OM:<a@b>\r\n")
    talk.say(b"RCPT TO:<c@d>\r\nDATA\r\n", replies=2)
    talk.say(b"a\r\n", b".", b"\r\n")
    talk.client.finish()
    transcript = the_transcript(trap)
    is_same(list(map(int, transcript.of("P"))), [8, 7, 10, 21, 3, 1, 2],
            "packets, as they came")
    is_same(transcript.kinds(), "VSPCSPPCSPCCSSPBPBPBSE", "in their order")
    is_same(transcript.of("E"), [b"eof"], "he went away")
    is_same(dialects(trap, "message"), ["HMRD;UU;crlf;tight;name;-;rude"],
            "a client that does not wait where he must")


def test_gone():
    """In mid-body, and in mid-line."""
    for rest, kinds in ((b"DATA\r\na\r\nb", "CSB"), (b"RSE", "C")):
        trap = evident()
        talk = Talk(trap.connect())
        talk.say(b"MAIL FROM:<a@b>\r\n")
        talk.say(b"RCPT TO:<c@d>\r\n")
        talk.say(rest, replies=rest[:1] == b"D")
        talk.end()
        transcript = the_transcript(trap)
        check_whole(transcript, talk, f"gone after {rest!r}")
        ok(transcript.kinds().endswith("P" + kinds + "E"), "is there",
           transcript.kinds())


def test_nothing():
    trap = evident()
    talk = Talk(trap.connect())
    talk.say(b"EHLO x\r\n")
    talk.say(b"MAIL x\r\n")
    talk.say(b"BDAT 200000\r\n" + b"x" * 60000, b"x" * 60000, replies=0)
    wait_until(lambda: kept(trap))
    is_same([name[:1] for name in kept(trap)], ["."],
            "much before MAIL is written")
    talk.say(b"x" * 60000, b"x" * 20000)
    talk.say(b"QUIT\r\n")
    talk.end()
    is_same(kept(trap), [], "but without a message nothing is left")
    is_same(dialects(trap, "end"), ["EMBQ;U-;crlf;odd;name;-;wait"],
            "the log has the dialect")
    for trap in (Trap(), Trap(evidence="")):
        talk = Talk(trap.connect())
        talk.say(b"EHLO x\r\n")
        talk.say(b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n", replies=3)
        talk.say(b"x\r\n.\r\n")
        talk.end()
        (job,) = trap.jobs()
        ok("dialect" not in trap.log() and "dialect" not in job.meta and
           "evidence" not in job.meta, "without control/evidence: nothing",
           trap.log())


def test_forged():
    """As the page says to get it out of the log."""
    with open("smtpd/trapline-evidence.5") as page:
        (script,) = re.findall(r"sed -n '(.*)'", page.read())
    trap = evident()
    talk = Talk(trap.connect())
    talk.say(b"EHLO x end session=1 dialect=E;forged;x y\r\n")
    talk.say(b"MAIL FROM:<\"a end session=1 dialect=E;x y\"@b>\r\n")
    talk.say(b"RCPT TO:<c@d>\r\n")
    talk.say(b"DATA\r\n")
    talk.say(b"z\r\n.\r\n")
    talk.end()
    out = subprocess.run(["sed", "-n", script.replace("\\e", "\\")],
                         input=trap.log(), capture_output=True, text=True,
                         check=True).stdout
    is_same(out, "EMRD;UU;crlf;tight;odd;-;wait\n",
            "a client cannot say another dialect in the log")


def send_two(trap, before=(), **more):
    """Two messages; returns their answers."""
    talk = Talk(trap.connect(**more))
    for line in before:
        talk.say(line)
    answers = []
    for _ in range(2):
        talk.say(b"MAIL FROM:<a@b>\r\n")
        talk.say(b"RCPT TO:<c@d>\r\n")
        talk.say(b"DATA\r\n")
        answers.append(talk.say(b"y" * 5000 + b"\r\n.\r\n"))
    talk.end()
    return talk, answers


def check_taken(trap, answers, error, name):
    ok(all(a.startswith(ACCEPTED) for a in answers) and len(trap.jobs()) == 2,
       f"{name}: mail is taken", answers)
    lines = re.findall(r"error: no evidence kept session=\S+ ip=192\.0\.2\.7 "
                       rf"directory=(\S+) error=(.*)", trap.log())
    is_same([e for _, e in lines], [error], f"{name}: logged once, and why")
    ok(all("dialect" in j.meta and "evidence" not in j.meta
           for j in trap.jobs()), f"{name}: the jobs have the dialect alone")


def test_failures():
    trap = Trap(evidence="nowhere")
    _, answers = send_two(trap)
    check_taken(trap, answers, '"No such file or directory"', "no directory")
    trap = Trap(evidence="control/me")
    _, answers = send_two(trap)
    check_taken(trap, answers, '"Not a directory"', "a file")
    if os.getuid():
        trap = evident()
        os.chmod(trap.dir + "/kept", 0o500)
        _, answers = send_two(trap)
        check_taken(trap, answers, '"Permission denied"', "not writable")
        os.chmod(trap.dir + "/kept", 0o700)
    else:
        skip("not writable", "root may write anywhere")
    trap = evident()
    full = ("sh", "-c", 'ulimit -f 32; exec "$@"', "sh")
    long_lines = [b"NOOP " + b"x" * 3000 + b"\r\n"] * 20
    _, answers = send_two(trap, before=long_lines, prefix=full)
    check_taken(trap, answers, '"File too large"', "a full disk")
    is_same(kept(trap), [], "nothing is left of what did not fit")


def test_limit():
    trap = evident(evidencebytes="1024")
    talk, answers = send_two(trap)
    ok(all(a.startswith(ACCEPTED) for a in answers), "a limit costs no mail")
    transcript = the_transcript(trap)
    ok(900 < len(transcript.text) <= 1024, "1024 bytes at most",
       len(transcript.text))
    ok(transcript.kinds().endswith("BXE"), "cut in the body; then the end",
       transcript.kinds())
    ok(talk.sent.startswith(transcript.sent()), "what is there is right")
    is_same([len(j.data()) for j in trap.jobs()], [5001] * 2,
            "the message is whole")


def test_killed():
    trap = evident()
    talk = Talk(trap.connect())
    talk.say(b"EHLO x\r\n")
    talk.say(b"MAIL FROM:<a@b>\r\n")
    (name,) = kept(trap)
    text = Transcript(f"{trap.dir}/kept/{name}")
    ok(name[:1] == "." and text.sent().endswith(b"MAIL FROM:<a@b>\r\n"),
       "with the first MAIL it is there", text.text)
    talk.say(b"RCPT TO:<c@d>\r\n")
    talk.say(b"DATA\r\n")
    talk.say(b"z\r\n.\r\n")
    text = Transcript(f"{trap.dir}/kept/{name}")
    is_same(text.sent(), talk.sent, "a message is there with its answer")
    talk.client.process.send_signal(signal.SIGKILL)
    talk.client.process.wait(DEADLINE_S)
    is_same(kept(trap), [name], "kill -9: the dot stays")
    (job,) = trap.jobs()
    is_same("." + job.meta["evidence"].decode(), name, "the job has its name")


def test_password():
    """A password that was tried is evidence enough."""
    trap = evident(authbait="0")
    server = Server(trap)
    talk = Talk(server.connect())
    talk.say(b"EHLO x\r\n")
    talk.say(b"AUTH PLAIN AGJvYgBzZWNyZXQ=\r\n")
    talk.say(b"QUIT\r\n")
    talk.end(hang_up=False)
    check_whole(the_transcript(trap), talk, "a password and no message")
    server.stop()


def test_tls():
    trap = evident(tls="sock")
    os.mkdir(trap.dir + "/keys", 0o700)
    service = subprocess.Popen(
        ["trap-tlsd", "sock", "keys"], cwd=trap.dir,
        env=trap.environment({}), stdin=subprocess.DEVNULL,
        stderr=trap.log_file)
    atexit.register(service.kill)
    wait_until(lambda: is_listening(service))
    server = Server(trap)
    talk = Talk(server.connect())
    talk.say(b"EHLO x\r\n")
    injected = b"RSET\r\n\xff\n"
    answer = talk.say(b"STARTTLS\r\n" + injected)
    is_same(answer[:4], b"220 ", "STARTTLS")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    talk.client = Client(context.wrap_socket(talk.client.socket))
    talk.say(b"EHLO y\r\n")
    talk.say(b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n", replies=3)
    talk.say(BODY)
    talk.say(b"QUIT\r\n")
    talk.end(hang_up=False)
    transcript = the_transcript(trap)
    check_whole(transcript, talk, "TLS")
    is_same(transcript.of("D"), [injected], "what was dropped is there")
    kinds = transcript.kinds()
    ok("CSDTPCS" in kinds, "then TLS, with clear text in it", kinds)
    server.stop()
    service.terminate()
    service.wait(DEADLINE_S)


test_exact()
test_packets()
test_gone()
test_nothing()
test_forged()
if not POOLED:  # a pool's pipeline is not of the one who is limited
    test_failures()
test_limit()
test_killed()
test_password()
test_tls()
done()
