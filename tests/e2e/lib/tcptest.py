"""What the tests of trap-tcpserver share: a server, and a look at what its
processes are."""
import atexit
import os
import re
import signal
import socket
import subprocess

from smtptest import DEADLINE_S, SANITIZED, Client, Trap, ok, wait_until

# Nobody's number, nor that of a test that has just ended; nor is the next one.
USER = 20000 + os.getpid() * 2 % 40000
SERVERS = []


def may_trace():
    """Whether strace can run a server, and change what it is told."""
    return not SANITIZED and subprocess.run(
        ["strace", "-o", "/dev/null", "true"], check=False,
        capture_output=True).returncode == 0


class TcpServer:
    """trap-tcpserver, or another, at a port that the kernel chooses. prefix:
    what runs it."""

    def __init__(self, trap, *options, program=("trap-smtpd",),
                 address="127.0.0.1", port=0, prefix=(), server=None, **env):
        self.trap = trap
        self.address = address
        self.process = subprocess.Popen(
            [*prefix, server or "trap-tcpserver", "-1HR", *options, address,
             str(port), *program], cwd=trap.dir,
            env={**trap.environment({}), **env}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=trap.log_file)
        SERVERS.append(self)
        atexit.register(self.stop)
        self.pid = self.process.pid
        self.port = int(self.process.stdout.readline() or 0)
        if self.port and not server:
            wait_for_handler(self.pid)

    def socket(self, source="127.0.0.1", to=None):
        return socket.create_connection(
            (to or self.address, self.port), DEADLINE_S,
            None if ":" in (to or self.address) else (source, 0))

    def connect(self, **where):
        return Client(self.socket(**where))

    def greeting(self, **where):
        """What a client hears, who then hangs up."""
        client = self.connect(**where)
        answer = client.reply()
        client.close()
        return answer

    def output(self, **where):
        """All that the program says."""
        client = self.connect(**where)
        client.socket.shutdown(socket.SHUT_WR)
        text = b"".join(iter(client.receive, b""))
        client.close()
        return text.decode("latin-1")

    def children(self):
        return children(self.pid)

    def is_idle(self):
        """All that it started is gone, and nobody is left as a zombie."""
        return wait_until(lambda: not self.children())

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(DEADLINE_S)
        self.process.stdout.close()
        return code


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return list(map(int, f.read().split()))


def status(pid, name):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return re.search(rf"^{name}:\s*(.*)", f.read(), re.M)[1].strip()


def wait_for_handler(pid):
    """Until SIGTERM ends it in its own way."""
    wait_until(lambda: int(status(pid, "SigCgt"), 16) & 1 << 14)


def anonymous_kb(pid):
    """Its own memory. Counted: what status says may be a guess."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        return int(re.search(r"^Anonymous: +(\d+)", f.read(), re.M)[1])


def descriptors(pid):
    """Of a process at rest."""
    return {fd: os.readlink(f"/proc/{pid}/fd/{fd}")
            for fd in sorted(map(int, os.listdir(f"/proc/{pid}/fd")))}


def memory(pid):
    """What a process can write to: its heap, stack and data."""
    pieces = []
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, \
            open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            first, last, mode = re.match(r"(\w+)-(\w+) (\S+)", line).groups()
            size = int(last, 16) - int(first, 16)
            if mode[:2] != "rw" or size > 64 << 20:  # a sanitizer's own
                continue
            try:
                mem.seek(int(first, 16))
                pieces.append(mem.read(size))
            except (OSError, OverflowError):
                pass
    return b"".join(pieces)


def public_trap(**more):
    """A trap that another user can use."""
    trap = Trap(**more)
    os.chmod(trap.dir, 0o755)
    for folder in (trap.queue, trap.dir + "/control"):
        os.chmod(folder, 0o777)
    return trap


def deliver(client, body=b"Subject: x\r\n\r\nx\r\n"):
    """A message over a connection that has not been greeted."""
    client.reply()
    client.say("EHLO client.example", "MAIL FROM:<a@a.example>",
               "RCPT TO:<u@trap.example>", "DATA")
    client.send(body + b".\r\n")
    return client.reply()


def busy_lines(trap):
    """The numbers of each "busy" line, and what else it says."""
    return [(dict((k, int(v)) for k, v in re.findall(r"(\w+)=(\d+)", line)),
             line) for line in trap.log().splitlines()
            if line.startswith("trap-tcpserver: busy ")]


def shed(trap):
    return sum(numbers["shed"] for numbers, _ in busy_lines(trap))


def all_quiet():
    """The last test: every server ends, no process is left, and none had
    memory that it lost, or used wrongly."""
    for server in SERVERS:
        if server.process.returncode is None:
            code = server.stop()
            ok(code == 0, "a server ends when it is told to", code)
    for trap in {server.trap for server in SERVERS}:
        ok(wait_until(lambda: not trap.processes()), "no process is left",
           trap.processes())
        ok("Sanitizer" not in trap.log() and "runtime error" not in trap.log(),
           "nothing is wrong with their memory" + (
               "" if SANITIZED else " (nobody looks)"), trap.log())
