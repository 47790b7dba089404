"""For tests of filters: what comes out of one, and TAP."""
import contextlib
import os
import re
import socket
import subprocess
import threading
import time

from dirqueue import BUILD, DEADLINE_S, Top, done, message, ok  # noqa

PORTS = []  # held to the end
MAIL = b"MAIL FROM:<a@b>\nRCPT TO:<c@d>\n"


def equal(got, wanted, name):
    """As dirqueue's, for big messages."""
    if not ok(got == wanted, name):
        for what, value in ("   got", got), ("wanted", wanted):
            text = repr(value)
            print("# %s: %s%s" % (what, text[:300],
                                  text[300:] and "..." + text[-300:]))


def path(name):
    return os.path.join(BUILD, name)


def run(arguments, stream, **options):
    """What the filter puts out, its log, its exit code."""
    command = [path(arguments[0]), *arguments[1:]]
    try:
        ended = subprocess.run(command, input=stream, capture_output=True,
                               timeout=DEADLINE_S, **options)
    except subprocess.TimeoutExpired as late:
        return late.stdout or b"", "still runs\n", -1
    return ended.stdout, ended.stderr.decode(), ended.returncode


def passed(output):
    """The bodies that went whole to the stage behind, and the answers, in
    order."""
    found, body = [], b""
    while output:
        line, output = output.split(b"\n", 1)
        chunk = re.fullmatch(rb"BDAT (\d+)( LAST)?", line)
        if chunk:
            n = int(chunk[1])
            body, output = body + output[:n], output[n:]
            if chunk[2]:
                found.append(body)
        elif line[:1].isdigit() or line[:1] == b"!":
            found.append(line)
        if not chunk or chunk[2]:
            body = b""
    return found


def judge(arguments, *messages, **options):
    """What passed() finds of these messages, and the log."""
    out, log, code = run(arguments, b"".join(messages), **options)
    if code:
        log += "exit code %d\n" % code
    return passed(out), log


def fails(arguments, code, words):
    """A start that has to fail."""
    out, log, got = run(arguments, b"")
    if not ok((got, out, words in log) == (code, b"", True),
              "exit %d: %r" % (code, " ".join(arguments)[:60])):
        print("# %r %r" % (got, log))


class Fake:
    """A daemon on a Unix socket or a TCP port of 127.0.0.1 that gives each
    connection to a function."""

    def __init__(self, talk, place=None):
        self.talk = talk
        self.open = []
        self.listener = socket.socket(
            socket.AF_UNIX if place else socket.AF_INET)
        self.listener.bind(place or ("127.0.0.1", 0))
        self.listener.listen(8)
        self.place = place or "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            self.open.append(connection)
            try:
                if self.talk(connection) != "keep":
                    connection.close()
            except OSError:
                connection.close()

    def __enter__(self):
        return self.place

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.open:
            connection.close()


@contextlib.contextmanager
def busy(place):
    """A Unix socket on which nobody accepts, its queue full."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(place)
        listener.listen(0)
        with socket.socket(socket.AF_UNIX) as other:
            other.connect(place)
            yield place


@contextlib.contextmanager
def daemon(arguments, is_ready, log):
    """A real daemon, ended with this block."""
    with open(log, "wb") as out:
        process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL,
                                   stdout=out, stderr=out)
    try:
        end = time.monotonic() + 2 * DEADLINE_S
        while not is_ready() and process.poll() is None and \
                time.monotonic() < end:
            time.sleep(0.02)
        if not ok(is_ready(), "%s runs" % arguments[0]):
            with open(log, errors="replace") as out:
                print("".join("# " + line for line in out))
        yield process
    finally:
        process.terminate()
        try:
            process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answers_at(place):
    """Whether somebody accepts connections there."""
    family = socket.AF_UNIX if "/" in place else socket.AF_INET
    host, _, port = place.rpartition(":")
    with socket.socket(family) as probe:
        return probe.connect_ex(place if "/" in place
                                else (host, int(port))) == 0


def free_port():
    """Nobody listens there but who shares it (SO_REUSEADDR, as daemons do);
    it is not given to others."""
    probe = socket.socket()
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    probe.bind(("127.0.0.1", 0))
    PORTS.append(probe)
    return probe.getsockname()[1]
