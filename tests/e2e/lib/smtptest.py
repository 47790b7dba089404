"""What the end-to-end tests of SMTP share: TAP, a trap in a folder of its own,
and clients that keep every packet. Nothing here sleeps: it waits for a state,
with a deadline."""
import atexit
import contextlib
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

BUILD = os.path.abspath(os.environ.get("BUILD", "build"))
DEADLINE_S = 60
ACCEPTED = b"250 2.6.0 queued as "
DEFAULT_CLIENT = {
    "PROTO": "TCP", "TCPREMOTEIP": "192.0.2.7", "TCPREMOTEPORT": "40000",
    "TCPREMOTEHOST": "client.example", "TCPREMOTEINFO": "ident",
    "TCPLOCALIP": "192.0.2.1", "TCPLOCALPORT": "25",
}

with open(BUILD + "/trap-smtpd", "rb") as program:
    SANITIZED = b"__asan_init" in program.read()

# Whether the stages come from a pool of one pipeline, not from trap-smtpd.
POOLED = bool(os.environ.get("POOLED"))

# ---- TAP

_count = _failed = 0


def ok(passed, name, detail=""):
    global _count, _failed
    _count += 1
    print("ok" if passed else "not ok", _count, "-", name, flush=True)
    if not passed:
        _failed += 1
        for line in str(detail).splitlines()[:40]:
            print("#", line[:400], flush=True)
    return passed


def is_same(got, wanted, name):
    detail = "" if got == wanted else f"got    {got!r}\nwanted {wanted!r}"
    return ok(got == wanted, name, detail)


def skip(name, why):
    global _count
    _count += 1
    print("ok", _count, "-", name, "# SKIP", why, flush=True)


def done():
    print(f"1..{_count}", flush=True)
    sys.exit(_failed != 0)


# ---- Waiting

def wait_until(condition, seconds=DEADLINE_S):
    """The first true value of condition(), or its last one at the deadline."""
    end = time.monotonic() + seconds
    pause = 0.0005
    while True:
        value = condition()
        if value or time.monotonic() > end:
            return value
        select.select([], [], [], pause)
        pause = min(pause * 2, 0.02)


def is_listening(process):
    """Whether it can be connected to: its socket has a name before that."""
    with open("/proc/net/unix", encoding="latin-1") as f:
        sockets = {words[6] for words in map(str.split, f)
                   if words[3] == "00010000"}  # SO_ACCEPTCON
    for fd in os.listdir(f"/proc/{process.pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # it was just closed
            link = os.readlink(f"/proc/{process.pid}/fd/{fd}")
            if link[:8] == "socket:[" and link[8:-1] in sockets:
                return True
    return False


# ---- The queue

class Job:
    def __init__(self, control):
        self.meta = {}
        with open(control, "rb") as f:
            for line in f.read().split(b"\n"):
                key, colon, value = line.partition(b": ")
                if colon:
                    self.meta[key.decode()] = value
        self.name = os.path.basename(control)
        self.path = os.fsdecode(self.meta["QDFN"])

    def data(self):
        with open(self.path, "rb") as f:
            return f.read()

    def sent(self):
        """The data without the trap's own Received field."""
        return re.sub(rb"\AReceived: from [^\n]*\n(\t[^\n]*\n)*", b"",
                      self.data(), count=1)


def files_under(folder):
    return [os.path.join(at, name)
            for at, _, names in os.walk(folder) for name in names]


# ---- The trap

def folder():
    """A folder in memory, where there is such a thing, gone at the end."""
    memory = "/dev/shm"
    at = memory if os.access(memory, os.W_OK) else None
    path = os.path.realpath(tempfile.mkdtemp(prefix="trapline-test.", dir=at))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


class Trap:
    """A control directory, a queue and a log. pipeline: the lines of
    control/pipeline; a keyword: a control file and what is in it."""

    def __init__(self, pipeline=("deliver-dirqueue queue",), **control):
        self.dir = folder()
        self.queue = self.dir + "/queue"
        os.mkdir(self.queue)
        os.mkdir(self.dir + "/control")
        self.control("me", "trap.example")
        self.control("pipeline", "\n".join(pipeline))
        for name, value in control.items():
            self.control(name, value)
        self.log_file = open(self.dir + "/log", "ab+")
        self.pool = None

    def start_pool(self, *options):
        """Have a pool, whose one pipeline is the one in control/ as it is
        now, unless a later one says other options."""
        if self.pool:
            return
        self.pool = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", "trap-pool",
             *(options or ("-n1", "-m1")), "pool"], cwd=self.dir,
            env=self.environment({}), stdin=subprocess.DEVNULL,
            stderr=self.log_file, start_new_session=True)
        atexit.register(self.stop_pool)
        self.control("pool", "pool")
        wait_until(lambda: self.pool.poll() is not None or
                   is_listening(self.pool))

    def stop_pool(self):
        if self.pool:
            self.pool.terminate()
            self.pool.wait(DEADLINE_S)
        self.pool = None

    def control(self, name, value):
        with open(f"{self.dir}/control/{name}", "w") as f:
            f.write(f"{value}\n")

    def environment(self, client=None):
        env = {k: v for k, v in os.environ.items()
               if k[:3] not in ("TCP", "SSL")}
        env.update(DEFAULT_CLIENT if client is None else client)
        env["PATH"] = BUILD + ":" + env.get("PATH", "/bin:/usr/bin")
        env["TRAPLINE_CONTROL"] = self.dir + "/control"
        env["TRAPLINE_TEST"] = self.dir
        return env

    def connect(self, kind=socket.SOCK_SEQPACKET, client=None, arguments=(),
                prefix=()):
        """A trap-smtpd on one end of a socket pair, a Client on the other.
        With SOCK_SEQPACKET what one side sends is what the other gets."""
        if POOLED and not arguments:
            self.start_pool()
        ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
        process = subprocess.Popen(
            [*prefix, "trap-smtpd", *arguments], cwd=self.dir,
            env=self.environment(client), stdin=theirs, stdout=theirs,
            stderr=self.log_file)
        theirs.close()
        return Client(ours, process)

    def run(self, packets, **more):
        """Send packets, then end of file. Returns the replies' packets."""
        client = self.connect(**more)
        try:
            for packet in packets:
                client.socket.sendall(packet)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return client.finish()

    def log(self):
        with open(self.dir + "/log", "rb") as f:
            return f.read().decode("latin-1")

    def jobs(self, queue="queue"):
        try:
            names = sorted(os.listdir(f"{self.dir}/{queue}/queue"))
        except FileNotFoundError:
            names = []
        return [Job(f"{self.dir}/{queue}/queue/{name}") for name in names
                if name[0].isdigit()]

    def clear(self):
        """Empty queue and log for the next case."""
        for path in files_under(self.queue):
            with contextlib.suppress(FileNotFoundError):  # a stage was faster
                os.unlink(path)
        self.log_file.truncate(0)

    def processes(self):
        """Of this trap, programs that still run, the pool's not counted."""
        mark = b"TRAPLINE_TEST=" + os.fsencode(self.dir) + b"\0"
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as f:
                    if mark not in f.read() + b"\0":
                        continue
                if not self.pool or os.getsid(int(pid)) != self.pool.pid:
                    found.append(int(pid))
            except OSError:
                pass
        return found


class Client:
    def __init__(self, sock, process=None):
        self.socket = sock
        self.process = process
        self.socket.settimeout(DEADLINE_S)
        self.seen = b""  # received, not yet taken

    def send(self, data):
        self.socket.sendall(data)

    def receive(self):
        """What comes next; empty at the end. A socket of packets tells of a
        reset before it gives what was sent before that."""
        for _ in range(2):
            with contextlib.suppress(ConnectionResetError):
                return self.socket.recv(1 << 20)
        return b""

    def reply(self):
        """The next whole reply, b"" if the connection ended before it."""
        while True:
            m = re.match(rb"(\d\d\d-[^\n]*\n)*\d\d\d[^-\n][^\n]*\n", self.seen)
            if m:
                self.seen = self.seen[m.end():]
                return m.group()
            more = self.receive()
            if not more:
                return b""
            self.seen += more

    def say(self, *lines):
        """Send each line when the one before was answered; the last reply."""
        for line in lines:
            self.send(line.encode("latin-1") + b"\r\n")
            answer = self.reply()
        return answer

    def greet(self):
        self.reply()
        return self.say("EHLO client.example")

    def finish(self, hang_up=True):
        """Read to the end, close, wait for the program. Returns what came."""
        if hang_up:
            try:
                self.socket.shutdown(socket.SHUT_WR)
            except OSError:
                pass
        packets = [self.seen] if self.seen else []
        self.seen = b""
        while True:
            packet = self.receive()
            if not packet:
                break
            packets.append(packet)
        self.close()
        return packets

    def close(self):
        self.socket.close()
        if self.process:
            self.process.wait(DEADLINE_S)


class Server:
    """A trap on a free port of the loopback. prefix: what runs the server;
    chain: what runs trap-smtpd."""

    def __init__(self, trap, connections=300, prefix=(), chain=(),
                 server="trap-tcpserver"):
        if POOLED:
            trap.start_pool()
        self.process = subprocess.Popen(
            [*prefix, server, "-1", "-H", "-R", "-l0",
             "-c", str(connections), "-b", str(connections),
             "127.0.0.1", "0", *chain, "trap-smtpd"],
            cwd=trap.dir, env=trap.environment({}), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=trap.log_file)
        atexit.register(self.stop)
        self.port = int(self.process.stdout.readline())

    def connect(self):
        return Client(socket.create_connection(("127.0.0.1", self.port),
                                               DEADLINE_S))

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(DEADLINE_S)


# ---- Bodies

def stored(message):
    """What the queue holds of a message as it was sent."""
    return message.replace(b"\r\n", b"\n")


def dot_stuffed(message):
    """A message in wire form, ready for DATA. One without CRLF at its end
    gets it."""
    lines = message.split(b"\r\n")
    stuffed = b"\r\n".join(b"." + line if line[:1] == b"." else line
                           for line in lines)
    if stuffed and not stuffed.endswith(b"\r\n"):
        stuffed += b"\r\n"
    return stuffed + b".\r\n"


def masked(replies):
    """Replies without what differs from run to run."""
    return re.sub(rb"queued as [^\r]*", b"queued as ID", replies)
