"""For tests of filters: what comes out of one, and TAP."""
import os
import re
import subprocess

from dirqueue import BUILD, DEADLINE_S, Top, done, equal, message, ok  # noqa

MAIL = b"MAIL FROM:<a@b>\nRCPT TO:<c@d>\n"


def path(name):
    return os.path.join(BUILD, name)


def run(arguments, stream, **options):
    """What the filter puts out, its log, its exit code."""
    done_ = subprocess.run([path(arguments[0]), *arguments[1:]], input=stream,
                           capture_output=True, timeout=60, **options)
    return done_.stdout, done_.stderr.decode(), done_.returncode


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
              "exit %d: %s" % (code, " ".join(arguments)[:60])):
        print("# %r %r" % (got, log))
