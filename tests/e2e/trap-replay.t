#!/usr/bin/env python3
"""trap-replay: what it sends and when, what it says of other replies, and what
it does with a file or a server that does not keep to the rules."""
import os
import re
import select
import socket
import ssl
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
from smtptest import (BUILD, SANITIZED, Server, Trap, done,  # noqa: E402
                      folder, is_same, ok)

DEADLINE_S = 60
TRIES = 10
WORK = folder()
PAGE = "smtpd/trapline-evidence.5"


def write(text, name="transcript"):
    with open(f"{WORK}/{name}", "wb") as f:
        f.write(text if isinstance(text, bytes) else text.encode("latin-1"))
    return f"{WORK}/{name}"


def run(*arguments):
    """Exit code, standard output, standard error."""
    result = subprocess.run([BUILD + "/trap-replay", *arguments], check=False,
                            capture_output=True, timeout=DEADLINE_S)
    return (result.returncode, result.stdout.decode("latin-1"),
            result.stderr.decode("latin-1").replace(WORK + "/", ""))


class Script:
    """A server for one client that does as it is told, one step after the
    other: says bytes, hears a number of them, or is a function of it."""

    def __init__(self, *steps, at=("127.0.0.1", 0), family=socket.AF_INET):
        self.listener = socket.socket(family)
        self.listener.bind(at)
        self.listener.listen(1)
        self.listener.settimeout(DEADLINE_S)
        name = self.listener.getsockname()
        self.target = (name if isinstance(name, str) else
                       f"[{name[0]}]:{name[1]}" if ":" in name[0] else
                       f"{name[0]}:{name[1]}")
        self.steps = steps
        self.packets = []
        self.failure = None
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        try:
            self.socket = self.listener.accept()[0]
            self.socket.settimeout(DEADLINE_S)
            for step in self.steps:
                if isinstance(step, bytes):
                    self.socket.sendall(step)
                elif isinstance(step, int):
                    self.hear(step)
                else:
                    step(self)
            self.socket.close()
        except Exception as failure:  # shown by heard()
            self.failure = failure

    def hear(self, n):
        while n > 0:
            packet = self.socket.recv(n)
            if not packet:
                raise EOFError
            self.packets.append(packet)
            n -= len(packet)

    def silence(self):
        if select.select([self.socket], [], [], 0.15)[0]:
            self.packets.append(b"(too early)")

    def end(self):
        """Until the client has ended its side."""
        while True:
            packet = self.socket.recv(65536)
            if not packet:
                return
            self.packets.append(packet)

    def secure(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(WORK + "/pem")
        self.socket = context.wrap_socket(self.socket, server_side=True)

    def heard(self):
        self.thread.join(DEADLINE_S)
        self.listener.close()
        return repr(self.failure) if self.failure else b"".join(self.packets)


def play(script, text, *options):
    result = run(*options, script.target, write(text))
    return result, script.heard()


# A session of two packets and a body; what was sent in it, and was answered.
COMMANDS = b"EHLO [192.0.2.7]\n"
ENVELOPE = b"mail from: <a\\\xff>\r\nRCPT TO:<b@c>\nDATA\r\n"
BODY = b"Subject: x\n\r\nE 0 quit\r..\0\r\n.\r\n"
GREETING = b"220 mx.example ESMTP\r\n"
HELLO = b"250-mx.example\r\n250 PIPELINING\r\n"
TAKEN = b"250 ok\r\n250 ok\r\n354 go\r\n"
QUEUED = b"250 queued as 1\r\n"
BYE = b"221 bye\r\n"
SESSION = (
    "V 0 1\nS 0 220 mx.example ESMTP\n"
    "P 10 17\nC 10 EHLO [192.0.2.7]\\n\n"
    "S 11 250-mx.example\nS 11 250 PIPELINING\n"
    "P 20 20\nP 130 18\nC 130 mail from: <a\\\\\\xff>\\r\\n\nS 131 250 ok\n"
    "C 130 RCPT TO:<b@c>\\n\nS 131 250 ok\nC 130 DATA\\r\\n\nS 131 354 go\n"
    "P 231 5\nP 341 25\nB 341 10\n" + BODY[:10].decode() +
    "\nB 341 20\n" + BODY[10:].decode() + "\nS 342 250 queued as 1\n"
    "P 343 6\nC 343 QUIT\\r\\n\nS 343 221 bye\nE 343 quit\n")
SENT = COMMANDS + ENVELOPE + BODY + b"QUIT\r\n"


def steps(*, hello=HELLO, taken=TAKEN, queued=QUEUED, bye=BYE):
    return (GREETING, 17, hello, 38, taken, 30, queued, 6, bye)


def test_usage():
    path = write(SESSION)
    for case in ((), ("127.0.0.1:1",), ("127.0.0.1", path), (":1", path),
                 ("127.0.0.1:", path), ("-z", "127.0.0.1:1", path),
                 ("-t0", "127.0.0.1:1", path), ("-w0", "127.0.0.1:1", path),
                 ("-t3601", "127.0.0.1:1", path), ("-b0", path), ("-b", path),
                 ("-l", "127.0.0.1:1", path), ("-l", "-b1", path), ("-l",),
                 ("-t1s", "127.0.0.1:1", path), ("-b1", path, path)):
        code, out, error = run(*case)
        ok(code == 100 and not out and ": usage: " in error, f"usage {case}",
           (code, out, error))
    is_same(run("127.0.0.1:1", path),
            (111, "", "trap-replay: fatal: unable to connect to 127.0.0.1:1: "
             "Connection refused\n"), "nobody listens")
    is_same(run("-l", WORK + "/none")[0], 111, "no file")
    is_same(run("-l", WORK)[0], 100, "a directory")
    is_same(run("-b2", path),
            (100, "", "trap-replay: fatal: no such message in transcript\n"),
            "no such message")


def test_bad_files():
    for line, text in (
            (1, "Subject: x\n"), (1, "v 0 1\n"), (1, "V 0 2\n"), (1, "V 0\n"),
            (1, "S 0 220 x\n"), (1, "\n"), (2, "V 0 1\nV 0 1\n"),
            (2, "V 0 1\nQ 1 x\n"), (2, "V 0 1\nC x y\n"),
            (2, "V 0 1\nC 1\n"), (2, "V 0 1\nP 1 \n"), (2, "V 0 1\nP 1 -1\n"),
            (2, "V 0 1\nC 1 \\q\n"), (2, "V 0 1\nC 1 \\x4\n"),
            (2, "V 0 1\nC 1 a\rb\n"), (2, "V 0 1\nC 1 \x1b[2J\n"),
            (2, "V 0 1\nT 1 \n"), (2, "V 0 1\nB 1 2\nabc\n"),
            (6, "V 0 1\nB 1 5\n1\n2\n3\nZ\n"), (3, "V 0 1\nE 1 quit\nX 1\n")):
        result = run("127.0.0.1:1", write(text))
        wanted = (100, "", "trap-replay: fatal: not a transcript: transcript: "
                  f"line {line}\n")
        is_same(result, wanted, f"no transcript: {text!r}")
    is_same(run("-l", write(""))[0], 100, "an empty file")


def test_page():
    with open(PAGE) as page:
        text = page.read()
    text = text[text.index("\nV 0 1\n") + 1:]
    text = text[:text.index("\n.Ed") + 1].replace("\\&", "").replace("\\e",
                                                                     "\\")
    text = text.replace("there\n.\n", "there\r\n.\r\n")  # no page can show them
    code, out, error = run("-l", write(text))
    is_same((code, error), (0, ""), "the page's example is a transcript")
    ok("0.131 > MAIL FROM:<a@example.org>\\n\n" in out and
       "0.180 > 26 bytes of message 1\n" in out and
       out.endswith("0.230   end: quit\n"), "... as it is listed", out)
    packets = sum(map(int, re.findall(r"^P \d+ (\d+)$", text, re.M)))
    script = Script(lambda self: self.socket.shutdown(socket.SHUT_WR),
                    lambda self: self.end())
    run(script.target, write(re.sub("^[S] .*\n", "", text, flags=re.M)))
    is_same(len(script.heard()), packets, "... its packets have all its bytes")


def test_same():
    result, heard = play(Script(*steps()), SESSION)
    is_same((result, heard), ((0, "", ""), SENT), "the same")
    result, heard = play(Script(*steps()), SESSION, "-x")
    is_same((result, heard), ((0, "", ""), SENT), "the same text")
    for _ in range(TRIES):  # two packets are one to who comes late to hear them
        script = Script(*steps())
        began = time.monotonic()
        result, heard = play(script, SESSION, "-w", "5")
        took = time.monotonic() - began
        packets = [len(packet) for packet in script.packets]
        if packets == [17, 20, 18, 5, 25, 6]:
            break
    is_same((result, heard), ((0, "", ""), SENT), "with pauses")
    ok(took > 0.32, "... of a third of a second in all", took)
    is_same(packets, [17, 20, 18, 5, 25, 6], "... packet by packet")
    script = Script(GREETING, 17, Script.silence, HELLO, 38, Script.silence,
                    TAKEN[:8], Script.silence, TAKEN[8:], 30, Script.silence,
                    QUEUED, 6, BYE)
    is_same(play(script, SESSION), ((0, "", ""), SENT),
            "a packet waits for the replies before it")
    bare = re.sub("^P .*\n", "", SESSION, flags=re.M)
    is_same(play(Script(GREETING, 17, HELLO, 18, Script.silence, b"250 ok\r\n",
                        14, b"250 ok\r\n", 6, b"354 go\r\n", 30, QUEUED, 6,
                        BYE), bare),
            ((0, "", ""), SENT), "without packets, record by record")
    for at, family in ((WORK + "/socket", socket.AF_UNIX),
                       (("::1", 0), socket.AF_INET6)):
        script = Script(*steps(), at=at, family=family)
        is_same(play(script, SESSION), ((0, "", ""), SENT),
                f"at {script.target.replace(WORK, '')}")


def test_verbose():
    result = play(Script(*steps(queued=b"451 4.3.0 no\r\n")), SESSION, "-v")[0]
    is_same(result, (
        1, "  220 mx.example ESMTP\n> EHLO [192.0.2.7]\\n\n"
        "  250-mx.example\n  250 PIPELINING\n> mail from: <a\\\\\\xff>\\r\\n\n"
        "  250 ok\n> RCPT TO:<b@c>\\n\n  250 ok\n> DATA\\r\\n\n"
        "  354 go\n> (10 bytes)\n> (20 bytes)\n"
        "@ 25\n- 250 queued as 1\n+ 451 4.3.0 no\n> QUIT\\r\\n\n  221 bye\n",
        ""), "all shown")


def test_differences():
    for name, changes, wanted in (
            ("a code", {"queued": b"550 no\r\n"},
             "@ 25\n- 250 queued as 1\n+ 550 no\n"),
            ("the number of lines", {"hello": b"250 mx\r\n"},
             "@ 5\n- 250-mx.example\n- 250 PIPELINING\n+ 250 mx\n"),
            ("the last of three", {"taken": TAKEN[:16] + b"554 no\r\n"},
             "@ 14\n- 354 go\n+ 554 no\n"),
            ("two", {"hello": b"500-a\r\n500 b\r\n", "bye": b"421 x\r\n"},
             "@ 5\n- 250-mx.example\n- 250 PIPELINING\n+ 500-a\n+ 500 b\n"
             "@ 28\n- 221 bye\n+ 421 x\n"),
            ("control characters", {"queued": b"250\x1b[2J\x07\\\xff\0\r\n",
                                    "bye": b"\n"},
             "@ 28\n- 221 bye\n+ \n"),
            ("one too many", {"bye": BYE + b"250 ok\r\n"},
             "@ 29\n+ 250 ok\n")):
        is_same(play(Script(*steps(**changes)), SESSION)[0],
                (1, wanted, ""), f"another reply: {name}")
    other = {"queued": b"250\x1b[2J\x07\\\xff\0\r\n"}
    is_same(play(Script(*steps(**other)), SESSION)[0], (0, "", ""),
            "other text is the same")
    is_same(play(Script(*steps(**other)), SESSION, "-x")[0],
            (1, "@ 25\n- 250 queued as 1\n+ 250\\x1b[2J\\x07\\\\\\xff\\x00\n",
             ""), "but with -x, which shows it escaped")
    for lines, said in (("x" * 996, 32), ("x", 100)):
        endless = b"250-" + lines.encode() + b"\r\n"
        code, out, _ = play(Script(GREETING, 17, endless * 110, 17), SESSION)[0]
        ok(code == 1 and out.count("+ 250-x") == said + (said < 100) and
           out.endswith("\n+ ...\n+ (the server's reply is too long)\n"),
           f"a reply of too many: {len(lines)}",
           (code, out.count("+ 250-x"), out[-200:]))
    code, out, _ = play(Script(GREETING, 17, b"2" * 5000, 17), SESSION)[0]
    ok(code == 1 and "+ (the server's reply is too long)\n" in out,
       "a line without end", (code, out))
    code, out, _ = play(Script(*steps(), b"250 x\r\n" * 200), SESSION)[0]
    is_same((code, out.count("+ 250 x\n"), out[-8:]), (1, 100, "\n+ (...)\n"[-8:]),
            "replies without end")


def test_gone():
    is_same(play(Script(GREETING, 17, HELLO, 38, b"250 ok\r\n"), SESSION)[0],
            (1, "@ 12\n- 250 ok\n+ (the server closed the connection)\n", ""),
            "the server closes in the middle")
    big = "V 0 1\nS 0 220 x\n" + "P 1 60000\nB 1 60000\n" + "x" * 60000 + "\n"
    big += ("P 1 60000\nB 1 60000\n" + "x" * 60000 + "\n") * 400
    code, out, error = play(
        Script(b"220 x\r\n", 100000, b"421 away\r\n"), big + "E 1 quit\n")[0]
    ok(code == 1 and re.match(
        r"@ \d+\n- \(all was taken\)\n\+ \([A-Z][a-z ]+\)\n", out),
       "... in a body", (code, out, error))
    is_same(play(Script(GREETING, 17, HELLO, 38, TAKEN, 36, BYE), SESSION,
                 "-t3")[0][:2],
            (1, "@ 25\n- 250 queued as 1\n+ (no reply within 3 seconds)\n"),
            "no reply: what follows is sent after the time limit")
    is_same(play(Script(*steps(), lambda self: self.socket.recv(1)), SESSION,
                 "-t3")[0],
            (1, "@ 29\n+ (the connection stays open)\n", ""),
            "the connection stays open")
    left = SESSION[:SESSION.index("S 342")] + "E 400 eof\n"
    is_same(play(Script(GREETING, 17, HELLO, 38, TAKEN, 30, Script.end), left),
            ((0, "", ""), SENT[:-6]), "a client that went away")


def test_cut():
    warning = ("trap-replay: warning: the transcript ends before the session "
               "did: transcript\n")
    end = SESSION.index("\nE 343")
    for name, text in (("full", SESSION[:end] + "\nX 343\nE 400 quit\n"),
                       ("no end", SESSION[:end + 1]),
                       ("cut in a reply", SESSION[:end + 1] + "S 344 25")):
        is_same(play(Script(*steps()), text), ((0, "", warning), SENT),
                f"cut short: {name}")
    half = SESSION[:SESSION.index("B 341 20") + 14]
    is_same(play(Script(GREETING, 17, HELLO, 38, TAKEN, Script.end), half),
            ((0, "", warning), SENT[:len(COMMANDS + ENVELOPE) + 15]), "cut short: in a body")
    is_same(run("-l", write(half))[0], 0, "cut short: listed")
    begun = "V 0 1\nC 1 DATA\\r\\n\nS 1 354 go\nP 2 9\n"
    chunk = "V 0 1\nC 1 BDAT 4\\r\\n\nB 1 4\nhalf\nS 1 250 ok\n"
    for name, text in (("full", begun + "B 2 4\nhalf\nX 3\nE 4 quit\n"),
                       ("full between chunks", chunk + "X 3\nE 4 quit\n"),
                       ("killed between chunks", chunk + "P 2 3\n"),
                       ("killed", begun + "B 2 5\nhalf")):
        is_same(run("-b1", write(text)), (0, "half", warning), f"cut body: {name}")
    whole = begun + "B 2 4\nhalf\nS 3 250 ok\n"
    for name, text in (("full behind it", whole + "X 3\nE 4 quit\n"),
                       ("killed behind it", whole + "P 3 6\n"),
                       ("the client went", begun + "B 2 4\nhalf\nE 4 eof\n")):
        is_same(run("-b1", write(text)), (0, "half", ""), f"no warning: {name}")


def test_bodies():
    chunks = ("V 0 1\nC 0 MAIL FROM:<>\\r\\n\nC 1 BDAT 2\\r\\n\nB 1 2\na\n\n"
              "S 1 250 ok\nC 1 NOOP\\r\\n\nC 1 bdat 3 last\\r\\n\nB 1 1\nb\n"
              "P 1 9\nB 1 2\n\r\n\n"
              "C 2 DATA\\r\\n\nB 2 3\n.\r\n\nC 3 BDAT 1\\r\\n\nB 3 1\nx\n"
              "C 4 RSET\\r\\n\nC 5 BDAT 0 LAST\\r\\n\nC 6 DATA\\r\\n\n"
              "S 6 554 no\nC 7 DA\nC 7 TA\\r\\n\nB 7 2\n\xff\0\n")
    path = write(chunks + "E 8 eof\n")
    for number, body in enumerate(("a\nb\r\n", ".\r\n", "x", "", "\xff\0"), 1):
        is_same(run(f"-b{number}", path), (0, body, ""), f"message {number}")
    is_same(run("-b6", path)[0], 100, "no sixth")
    out = run("-l", write(chunks + "D 8 \\x1b\\xff\\\\\nT 8\nX 8\nE 9 eof\n"))[1]
    ok(not re.search(r"[^\n -~]", out) and
       out.endswith("      0.007 > 2 bytes of message 5\n"
                    "      0.008   dropped: \\x1b\\xff\\\\\n      0.008   TLS\n"
                    "      0.008   cut, for the transcript was full\n"
                    "      0.009   end: eof\n"), "listed", out)
    code, _, error = run("-l", "/dev/null")
    is_same(code, 100, "a device")
    full = subprocess.run([BUILD + "/trap-replay", "-l", path], check=False,
                          stdout=open("/dev/full", "w"),
                          stderr=subprocess.PIPE)
    ok(full.returncode == 111 and b"write to standard output" in full.stderr,
       "no room for the output", full)


def test_tls():
    made = subprocess.run(
        ["openssl", "req", "-x509", "-nodes", "-days", "9", "-subj", "/CN=x",
         "-newkey", "rsa:2048", "-keyout", WORK + "/key", "-out",
         WORK + "/crt"], capture_output=True, check=False)
    if made.returncode:
        print("#", made.stderr)
    with open(WORK + "/pem", "w") as pem:
        for name in "key", "crt":
            with open(f"{WORK}/{name}") as part:
                pem.write(part.read())
    before = ("V 0 1\nS 0 220 x\nP 1 10\nC 1 STARTTLS\\r\\n\nS 1 220 go\n")
    after = ("T 9\nP 9 6\nC 9 EHLO\\r\\n\nS 9 250 x\nP 10 6\nC 10 QUIT\\r\\n\n"
             "S 10 221 bye\nE 10 quit\n")
    for name, dropped in (("", ""), (": dropped", "D 1 RSET\\r\\n\n"),
                          (": dropped, a packet", "P 1 6\nD 1 RSET\\r\\n\n")):
        clear = 16 if dropped else 10
        script = Script(b"220 x\r\n", clear, b"220 go\r\n", Script.secure, 6,
                        b"250 x\r\n", 6, b"221 bye\r\n")
        sent = b"STARTTLS\r\n" + (b"RSET\r\n" if dropped else b"")
        is_same(play(script, before + dropped + after),
                ((0, "", ""), sent + b"EHLO\r\nQUIT\r\n"), "TLS" + name)
    script = Script(Script.secure, b"220 x\r\n", 6, b"250 x\r\n", 6,
                    b"221 bye\r\n")
    at_once = "V 0 1\nT 0\nS 0 220 x\n" + after[after.index("P"):]
    is_same(play(script, at_once), ((0, "", ""), b"EHLO\r\nQUIT\r\n"),
            "TLS from the start")
    script = Script(b"220 x\r\n", 10, b"220 go\r\n", 1, b"nonsense\r\n")
    code, out, _ = play(script, before + after)[0]
    ok(code == 1 and out.startswith("@ 6\n- (TLS)\n+ (TLS: "),
       "no TLS any more", out)
    script = Script(Script.secure, Script.secure)
    code, out, _ = play(script, "V 0 1\n" + "T 0\n" * 9)[0]
    is_same((code, out), (1, "@ 3\n- (TLS)\n+ (TLS is there already)\n"),
            "TLS in TLS, though the server would")


def test_large():
    size = 48 << 20
    line = b"0123456789abcde\n"
    head = b"V 0 1\nS 0 220 x\nP 0 %d\nB 0 %d\n" % (size, size)
    path = write(head + line * (size // len(line)) + b"\nE 1 eof\n", "large")

    def count(self):
        self.size = 0
        while True:
            n = len(self.socket.recv(1 << 20))
            self.size += n
            if not n:
                return

    script = Script(b"220 x\r\n", count)
    limit = "exec" if SANITIZED else "ulimit -v 40000; exec"
    result = subprocess.run(
        ["sh", "-c", limit + ' "$@"', "sh", BUILD + "/trap-replay",
         script.target, path], check=False, timeout=2 * DEADLINE_S)
    script.heard()
    is_same((result.returncode, script.size), (0, size),
            "a body of 48 MiB in less memory")


def test_trap():
    trap = Trap()
    server = Server(trap)
    target = f"127.0.0.1:{server.port}"
    session = SESSION.replace("a\\\\\\xff", "a@b.c").replace(
        "P 130 18", "P 130 20")
    path = write(session)
    code, out, error = run("-v", target, path)
    ok(code == 1 and re.findall(r"^@.*$", out, re.M) == ["@ 5"] and
       "\n+ 250-trap.example\n" in out and "\n  354 " in out and
       re.search(r"\n  221 .*\n\Z", out) and not error,
       "a trap says more to EHLO, and that is all", (code, out, error))
    jobs = trap.jobs()
    is_same([job.data() for job in jobs],
            [BODY.replace(b"\r\n", b"\n")[:-2]],
            "the message is there")
    trap.control("pipeline", "no-such-stage")
    code, out, error = run(target, path)
    ok(code == 1 and re.search(r"^\+ 451 ", out, re.M), "one that is broken",
       out)
    server.stop()


test_usage()
test_bad_files()
test_page()
test_same()
test_verbose()
test_differences()
test_gone()
test_cut()
test_bodies()
test_tls()
test_large()
test_trap()
done()
