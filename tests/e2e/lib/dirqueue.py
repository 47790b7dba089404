"""For tests of programs that write a directory queue: TAP, the state of a
queue, a sink that is talked to line by line."""
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time

BUILD = os.path.abspath(os.environ.get("BUILD", "build"))
SINK = os.path.join(BUILD, "deliver-dirqueue")
DEADLINE_S = 60
# No process has it: the kernel gives no number that is so large.
DEAD_PID = 1 << 22

tests = 0
failures = 0


def ok(passed, name):
    global tests, failures
    tests += 1
    failures += not passed
    print("%s %d - %s" % ("ok" if passed else "not ok", tests, name))
    sys.stdout.flush()
    return passed


def equal(got, wanted, name):
    if not ok(got == wanted, name):
        print("#    got: %r\n# wanted: %r" % (got, wanted))


def skip(name, reason):
    global tests
    tests += 1
    print("ok %d - %s # SKIP %s" % (tests, name, reason))


def done():
    print("1..%d" % tests)
    sys.exit(1 if failures else 0)


def wait_for(state, name):
    """Until state() is true; a test of its own if it does not become so."""
    end = time.monotonic() + DEADLINE_S
    while True:
        is_late = time.monotonic() > end  # before it is looked at, not after
        if state():
            return True
        if is_late:
            return ok(False, "deadline: " + name)
        time.sleep(0.005)


class Top:
    """A directory for the test, removed at its end."""

    def __enter__(self):
        self.path = os.path.realpath(tempfile.mkdtemp())
        os.chmod(self.path, 0o755)
        os.chdir(self.path)
        return self.path

    def __exit__(self, *_):
        os.chdir("/")
        shutil.rmtree(self.path, ignore_errors=True)


def files(top):
    """Every file under top that is no directory, by path below it."""
    return sorted(
        os.path.relpath(os.path.join(directory, name), top)
        for directory, _, names in os.walk(top)
        for name in names
    )


def jobs(top):
    """The jobs a reader sees: {name: (metadata, data)}; data is None if the
    job is not whole."""
    found = {}
    try:
        names = os.listdir(os.path.join(top, "queue"))
    except FileNotFoundError:
        return found
    for name in names:
        try:
            with open(os.path.join(top, "queue", name), "rb") as control:
                text = control.read()
        except FileNotFoundError:  # done meanwhile
            continue
        lines = [line.split(b": ", 1) for line in text.splitlines()]
        value = dict(line for line in lines if len(line) == 2)
        data = None
        if text.endswith(b"\n") and os.path.isfile(value.get(b"QDFN", b"")):
            try:
                with open(value[b"QDFN"], "rb") as file:
                    data = file.read()
            except FileNotFoundError:  # done meanwhile
                continue
            if len(data) != int(value.get(b"QDSB", -1)):
                data = None
        found[name] = (value, data)
    return found


def message(body, sender=b"a@b"):
    return b"MAIL FROM:<%s>\nRCPT TO:<c@d>\nBDAT %d LAST\n%s" % (
        sender,
        len(body),
        body,
    )


def answers(output):
    """The answers of message() in what came out: one list per message."""
    found = []
    for line in output.split(b"\n"):
        if line.startswith(b"MAIL "):
            found.append([])
        elif found and (line[:1].isdigit() or line.startswith(b"!")):
            found[-1].append(line)
    return found


class Sink:
    """A running deliver-dirqueue."""

    def __init__(self, *arguments, program=SINK, **options):
        self.process = subprocess.Popen(
            [program, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **options,
        )
        self.unread = b""

    def send(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def line(self):
        """The next line that comes out, or None at the deadline or the end."""
        while b"\n" not in self.unread:
            out = self.process.stdout
            if not select.select([out], [], [], DEADLINE_S)[0]:
                return None
            got = os.read(out.fileno(), 65536)
            if not got:
                return None
            self.unread += got
        line, self.unread = self.unread.split(b"\n", 1)
        return line

    def answer(self, code):
        """Read up to a line that is an answer; say whether it has this code."""
        while True:
            line = self.line()
            if line is None or line[:1].isdigit():
                return line is not None and line.startswith(code)

    def deliver(self, body):
        """Send a message; the code of the last answer."""
        self.send(message(body))
        last = b"none"
        for _ in range(2):
            line = self.line()
            while line is not None and not line[:1].isdigit():
                line = self.line()
            last = (line or b"none")[:3]
        return last.decode()

    def end(self):
        """End of file; returns the exit code and the log."""
        self.process.stdin.close()
        log = self.process.stderr.read().decode()
        self.process.stdout.close()
        return self.process.wait(DEADLINE_S), log


# The format's other side, from its page alone: for jobs of other makers, and for
# a worker that shares a queue with ours.

made = 0
latest_us = 0


def clock_us():
    """The time, later each time: also if the machine's clock is set back."""
    global latest_us
    latest_us = max(latest_us + 1, time.time_ns() // 1000)
    return latest_us


def enqueue(top, body, metadata=(), priority=50, place="", age_s=0, **own):
    """Put a job in as a classic producer does; its name. place: X of fan-out.
    age_s: it came in so long ago. own: other values for the five lines, None
    for none."""
    global made
    made += 1
    seconds, micro = divmod(clock_us() - age_s * 1000000, 1000000)
    name = "%02d.%s%06d.DNDg0.%d.%05d" % (
        priority, time.strftime("%Y%m%d%H%M%S", time.gmtime(seconds)),
        micro, os.getpid(), made)
    leaf = os.path.join(top, "data", name[-2], name[-1])
    for directory in ("queue", "active", "tmp"):
        os.makedirs(os.path.join(top, directory), exist_ok=True)
    os.makedirs(leaf, exist_ok=True)
    path = os.path.join(leaf, name[:-2])
    with open(path, "wb") as data:
        data.write(body)
    lines = {"QDFN": path, "QDSB": len(body), "QSTT": seconds,
             "QSTM": micro, "QSHN": "vm", **own}
    text = b"".join(b"%s: %s\n" % (key.encode(), str(value).encode())
                    for key, value in lines.items() if value is not None)
    text += b"".join(b"%s: %s\n" % (key.encode(), value.encode("latin-1"))
                     for key, value in dict(metadata).items())
    put_control(top, name, text, place)
    return name


def put_control(top, name, text, place=""):
    temporary = os.path.join(top, "tmp", name + ".ctrl")
    with open(temporary, "wb") as control:
        control.write(text)
    os.makedirs(os.path.join(top, "queue", place), exist_ok=True)
    os.link(temporary, os.path.join(top, "queue", place, name))
    os.unlink(temporary)
    os.utime(os.path.join(top, "queue"))


def control_of(path):
    """The lines of a control file: {key: value}."""
    with open(path, "rb") as control:
        lines = [line.split(b": ", 1) for line in control.read().split(b"\n")]
    return {line[0].decode(): line[1].decode("latin-1")
            for line in lines if len(line) == 2}


def lock(top, name, host=None, pid=None, age=0):
    """Lock a job; whether that was possible."""
    temporary = os.path.join(top, "tmp", "%s.%d.active" % (name, os.getpid()))
    with open(temporary, "w", encoding="ascii") as file:
        file.write("%s\n%d\n" % (host or os.uname().nodename,
                                 pid or os.getpid()))
    os.utime(temporary, (time.time() - age,) * 2)
    try:
        os.link(temporary, os.path.join(top, "active", name))
        return True
    except FileExistsError:
        return False
    finally:
        os.unlink(temporary)


def take(top):
    """Take the first free job: its name, metadata, data; or None."""
    for name in sorted(os.listdir(os.path.join(top, "queue"))):
        if not lock(top, name):
            continue
        try:
            control = control_of(os.path.join(top, "queue", name))
            with open(control["QDFN"], "rb") as data:
                return name, control, data.read()
        except FileNotFoundError:
            os.unlink(os.path.join(top, "active", name))
    return None


def finish(top, job):
    name, control, _ = job
    os.unlink(os.path.join(top, "queue", name))
    os.unlink(control["QDFN"])
    os.unlink(os.path.join(top, "active", name))
