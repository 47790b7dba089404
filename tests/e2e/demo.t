#!/usr/bin/env python3
"""make demo's program: what it shows, what it leaves, how it ends."""
import atexit
import glob
import os
import pty
import re
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, "tests/e2e/lib")
from filtertest import free_port  # noqa: E402
from smtptest import BUILD, SANITIZED, done, ok, skip  # noqa: E402

DEADLINE_S = 300  # a demo is some dozens of programs
base = os.path.realpath(tempfile.mkdtemp(prefix="trapline-demo."))
atexit.register(shutil.rmtree, base, ignore_errors=True)


def environment(folder, **more):
    """DEMO_PORT=0 would do, but that port may be another test's when the trap
    asks for it."""
    more.setdefault("DEMO_PORT", str(free_port()))
    env = {**more, "DEMO_DIR": folder}
    env = {**{k: v for k, v in os.environ.items() if k[:5] != "DEMO_"}, **env}
    if SANITIZED:
        env["DEMO_MEMORY"] = "="
    return env


def run(folder, prefix=(), **more):
    more.setdefault("DEMO_SECONDS", "1")
    return subprocess.run([*prefix, "run/demo"], env=environment(folder, **more),
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True,
                          timeout=DEADLINE_S)


def account_of(pid):
    """Its name, as ps has it, at most 15 letters, and its user; or nothing, if
    it has ended meanwhile."""
    try:
        with open(f"/proc/{pid}/comm", encoding="latin-1") as f:
            return {f.read().strip(): os.stat(f"/proc/{pid}").st_uid}
    except OSError:
        return {}


def processes(folder):
    """Whoever works in the folder or has it in his command line, but us."""
    found = []
    for proc in glob.glob("/proc/[0-9]*"):
        if int(proc[6:]) == os.getpid():
            continue
        try:
            cwd = os.readlink(proc + "/cwd")
            with open(proc + "/cmdline", "rb") as f:
                command = f.read().decode("latin-1").replace("\0", " ")
        except OSError:
            continue
        if (cwd + "/").startswith(folder + "/") or folder in command:
            found.append((int(proc[6:]), command))
    return found


def left_running(folder):
    """Who does not end. Stages do by themselves when their pool has gone."""
    end = time.monotonic() + DEADLINE_S
    while (left := processes(folder)) and time.monotonic() < end:
        time.sleep(0.02)
    return left


def jobs(folder, queue):
    return [f for _, _, files in os.walk(f"{folder}/{queue}/queue")
            for f in files if f[0].isdigit()]


def fork_with_pipe():
    """As pty.fork, with a pipe: the kernel hangs up nobody at the end."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(write_end, 1)
        os.dup2(write_end, 2)
    os.close(write_end)
    return pid, read_end


class Demo:
    """The demo, serving; on a terminal of its own or into a pipe."""

    def __init__(self, folder, fork=pty.fork):
        self.output = ""
        self.pid, self.fd = fork()
        if self.pid == 0:
            # A terminal's; a shell's background jobs are without SIGINT, what
            # nohup started without SIGHUP, and a shell cannot get them back.
            for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM,
                           signal.SIGPIPE):
                signal.signal(number, signal.SIG_DFL)
            os.execve("run/demo", ["run/demo"], environment(folder))
        self.shows = self.wait(r"New log lines follow")
        port = re.search(r"trap is on 127\.0\.0\.1:(\d+)", self.output)
        self.port = int(port.group(1)) if port else 0

    def wait(self, pattern):
        """Read on until the output matches, or ends, or it is too late."""
        end = time.monotonic() + DEADLINE_S
        os.set_blocking(self.fd, False)
        while not re.search(pattern, self.output):
            try:
                piece = os.read(self.fd, 65536)
            except BlockingIOError:
                if time.monotonic() > end:
                    return False
                time.sleep(0.02)
                continue
            except OSError:  # nobody has the terminal any more
                piece = b""
            if not piece:
                return False
            self.output += piece.decode("latin-1")
        return True

    def stalled_client(self):
        """A session in the middle of a message, open until it is closed."""
        client = socket.create_connection(("127.0.0.1", self.port))
        client.sendall(b"EHLO a.example\r\nMAIL FROM:<>\r\n"
                       b"RCPT TO:<x@trap.example>\r\nDATA\r\n")
        seen = b""
        while b"\r\n354" not in seen:
            piece = client.recv(4096)
            if not piece:
                break
            seen += piece
        client.sendall(b"Subject: half\r\n")
        return client

    def exit_code(self):
        end = time.monotonic() + DEADLINE_S
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            self.drain()
            time.sleep(0.02)
        if os.getpgid(self.pid) == self.pid:
            os.killpg(self.pid, signal.SIGKILL)
        os.kill(self.pid, signal.SIGKILL)
        return None

    def drain(self):
        if self.fd is None:
            return
        try:
            self.output += os.read(self.fd, 65536).decode("latin-1")
        except OSError:
            pass


def whole_run():
    folder = base + "/whole"
    for turn in ("first run", "second run"):
        result = run(folder)
        out = result.stdout
        ok(result.returncode == 0, f"{turn}: exit 0", out)
        ok(len(re.findall(r"<-  250 .*queued as", out)) == 2 and
           re.search(r"<\*\* 550 5\.1\.1 User not found", out),
           f"{turn}: two accepted, one refused, as swaks saw it", out)
        ok([len(jobs(folder, q)) for q in ("incoming", "hamincoming")] ==
           [1, 1], f"{turn}: one job in each queue", out)
        for queue, job in [(q, j) for q in ("incoming", "hamincoming")
                           for j in jobs(folder, q)]:
            ok(f"the control file of {job}" in out and "QDFN: " in out,
               f"{turn}: the control file of {queue} is shown", out)
        ok(re.search(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ trap-smtpd: ", out,
                     re.M), f"{turn}: log lines in readable time", out)
        left = left_running(folder)
        ok(not left, f"{turn}: nothing is left running", left)


def busy_port():
    folder = base + "/busy"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        result = run(folder, DEMO_PORT=port)
    ok(result.returncode == 111 and not os.path.exists(folder),
       "busy port: exit 111, nothing made", result.stdout)
    ok(f"demo: fatal: unable to use port {port} of 127.0.0.1: Address already"
       in result.stdout and len(result.stdout.splitlines()) == 1,
       "busy port: one line says it", result.stdout)


def foreign_folder():
    folder = base + "/foreign"
    os.makedirs(folder + "/incoming")
    result = run(folder, DEMO_PORT="0")
    ok(result.returncode == 100 and os.listdir(folder) == ["incoming"],
       "a folder that is not its own stays as it is, exit 100", result.stdout)


def end_by(name, end, fork=pty.fork):
    folder = base + "/end-" + name.replace(" ", "-")
    demo = Demo(folder, fork)
    ok(demo.shows, f"{name}: it serves", demo.output)
    with smtplib.SMTP("127.0.0.1", demo.port, timeout=DEADLINE_S) as client:
        client.sendmail("late@a.example", ["late@trap.example"],
                        "Subject: late\r\n\r\nlate\r\n")
    ok(demo.wait(r"follow\.(?s:.*)trap-smtpd: .*late@a\.example"),
       f"{name}: what comes later is taken and shown", demo.output)
    with demo.stalled_client():
        end(demo)
        code = demo.exit_code()
        left = left_running(folder)
    ok(code == 0, f"{name}: exit 0", f"{code}\n{demo.output}")
    ok(not left, f"{name}: nothing is left running, a session in hand or not",
       left)
    ok(len(jobs(folder, "incoming")) == 2,
       f"{name}: what was taken is there, what was not finished is not")


def nobody_reads():
    folder = base + "/no reader"
    with subprocess.Popen(["run/demo"], env=environment(folder),
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as demo:
        line = demo.stdout.readline()
        demo.stdout.close()
        code = demo.wait(DEADLINE_S)
    ok(b"demo: " in line and code == 0, "its reader goes away: exit 0", code)
    left = left_running(folder)
    ok(not left, "its reader goes away: nothing is left running", left)


def hang_up(demo):
    os.close(demo.fd)
    demo.fd = None


def who_runs_it():
    if os.getuid() != 0:
        skip("the account", "only root has a choice")
        return
    hidden = run(base + "/hidden")
    ok("the trap runs as root" in hidden.stdout,
       "root, and nobody cannot reach the folder: said", hidden.stdout)
    with tempfile.TemporaryDirectory(
            prefix="trapline-demo.",
            ignore_cleanup_errors=True) as open_folder:
        os.chmod(open_folder, 0o755)
        reachable = subprocess.run(
            ["setuidgid", "nobody", "test", "-x",
             BUILD + "/trap-smtpd"], check=False)
        if reachable.returncode != 0:
            skip("nobody", "the build is out of nobody's reach")
            return
        as_nobody(open_folder + "/root")
        folder = open_folder + "/nobody"
        os.mkdir(folder)
        shutil.chown(folder, "nobody")
        result = run(folder, prefix=("setuidgid", "nobody"))
        ok(result.returncode == 0 and not left_running(folder),
           "an ordinary account can do it all", result.stdout)


def as_nobody(folder):
    demo = Demo(folder)
    with demo.stalled_client():
        accounts = {}
        for pid, _ in processes(folder):
            accounts.update(account_of(pid))
        os.write(demo.fd, b"\x03")
        demo.exit_code()
        left_running(folder)
    wanted = ("trap-tcpserver", "trap-smtpd", "deliver-dirqueu", "multilog")
    ok(all(accounts.get(name) not in (0, None) for name in wanted),
       "under root, what meets the network is not root", accounts)


whole_run()
busy_port()
foreign_folder()
end_by("Ctrl-C", lambda demo: os.write(demo.fd, b"\x03"))
end_by("SIGTERM", lambda demo: os.kill(demo.pid, signal.SIGTERM),
       fork_with_pipe)
end_by("lost terminal", hang_up)
nobody_reads()
who_runs_it()
done()
