"""The servers of the benchmark: started each in a cgroup of its own if this
process may make one, all their files below a directory in memory, on loopback;
their CPU time; their end."""
import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(TOP, os.environ.get("BUILD", "build"))
HERE = os.path.join(TOP, "tests/bench")
PEERS = os.path.join(BUILD, "bench/peers")
MIB = bytes(1 << 20)
START_S = 20
PR_SET_CHILD_SUBREAPER = 36


def fetch_peers():
    subprocess.run([HERE + "/fetch-peers", PEERS], check=True)


def give_up(program, seconds):
    """End, with all that follows a SystemExit, when told to or after so long."""
    def end(number, _frame):
        raise SystemExit(f"{program}: fatal: ended by signal {number}")
    for number in signal.SIGTERM, signal.SIGINT, signal.SIGALRM:
        signal.signal(number, end)
    signal.alarm(seconds)


class Place:
    """A directory in memory with the tree of the peers, removed at the end."""

    def __init__(self):
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.path = tempfile.mkdtemp(prefix="trapline-bench.", dir=memory)
        self.in_memory = memory is not None
        os.chmod(self.path, 0o755)

    def copy_root(self):
        root = self.path + "/root"
        if os.geteuid() != 0 or not os.path.isdir(PEERS + "/root"):
            return
        subprocess.run(["cp", "-a", PEERS + "/root", root], check=True)
        os.makedirs(root + "/dev", exist_ok=True)
        for name, minor in ("null", 3), ("zero", 5), ("random", 8), ("urandom", 9):
            path = f"{root}/dev/{name}"
            if not os.path.exists(path):
                os.mknod(path, 0o020666, os.makedev(1, minor))
                os.chmod(path, 0o666)

    def warm(self, size):
        """Have so many bytes of memory at hand. A virtual machine's host takes
        back what lies free; the first write to a page then costs more than all
        else that is done with it."""
        path = self.path + "/warm"
        try:
            with open(path, "wb", buffering=0) as f:
                for _ in range(0, size, len(MIB)):
                    f.write(MIB)
        except OSError:
            pass  # all that there is
        os.unlink(path)

    def remove(self):
        # What a server still wrote while it was removed: once more.
        for _ in range(3):
            shutil.rmtree(self.path, ignore_errors=True)


def own_cgroup(controller_file, controller):
    """The directory of our cgroup in a hierarchy, or None."""
    with open("/proc/self/cgroup", encoding="ascii") as f:
        for line in f:
            _, names, path = line.rstrip("\n").split(":", 2)
            if controller in names.split(","):
                root = "/sys/fs/cgroup"
                if controller and os.path.isdir(f"{root}/{controller}"):
                    root += "/" + controller
                elif not controller and os.path.isdir(root + "/unified"):
                    root += "/unified"
                directory = (root + path).rstrip("/")
                if os.path.exists(f"{directory}/{controller_file}") or path == "/":
                    return directory
    return None


class Cgroup:
    """Version 2's cpu.stat or version 1's cpuacct."""

    def __init__(self, name):
        for file, controller in ("cpu.stat", ""), ("cpuacct.usage", "cpuacct"):
            parent = own_cgroup(file, controller)
            self.path = f"{parent}/trapline-bench.{os.getpid()}.{name}"
            self.file = f"{self.path}/{file}"
            try:
                os.mkdir(self.path)
                open(self.path + "/cgroup.procs", "w", encoding="ascii").close()
                self.cpu_s()
                return
            except OSError:
                self.remove()
        raise OSError("no cgroup can be made")

    def enter(self):
        with open(self.path + "/cgroup.procs", "w", encoding="ascii") as f:
            f.write(str(os.getpid()))

    def processes(self):
        with open(self.path + "/cgroup.procs", encoding="ascii") as f:
            return [int(line) for line in f]

    def cpu_s(self):
        with open(self.file, encoding="ascii") as f:
            text = f.read().split()
        return int(text[1]) / 1e6 if len(text) > 1 else int(text[0]) / 1e9

    def remove(self):
        try:
            os.rmdir(self.path)
        except OSError:
            pass


def stat_of(pid):
    """(parent, seconds of CPU with those of waited-for children)."""
    with open(f"/proc/{pid}/stat", encoding="latin-1") as f:
        field = f.read().rpartition(")")[2].split()
    ticks = sum(map(int, field[11:15]))
    return int(field[1]), ticks / os.sysconf("SC_CLK_TCK")


class Tree:
    """Where no cgroup can be made: the server and all that descend from it, by
    /proc. CPU time of a child that its parent does not wait for is lost."""

    def __init__(self):
        self.pid = None

    def enter(self):
        # Who is left without a parent becomes the server's child.
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def processes(self):
        parents = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    parents[int(entry)] = stat_of(entry)[0]
                except OSError:
                    pass
        found = {self.pid}
        while True:
            more = {p for p, parent in parents.items() if parent in found} - found
            if not more:
                return [p for p in found if p in parents]
            found |= more

    def cpu_s(self):
        total = 0.0
        for pid in self.processes():
            try:
                total += stat_of(pid)[1]
            except OSError:
                pass
        return total

    def remove(self):
        pass


def account(name):
    try:
        return Cgroup(name)
    except OSError:
        return Tree()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """One peer. Fails with RuntimeError, whose text says why."""

    def __init__(self, place, name, clients=2000):
        self.name = name
        self.clients = clients
        self.log = f"{place.path}/{name}.log"
        self.port = free_port()
        self.process = None
        self.account = None
        self.environment = dict(
            os.environ, BENCH=place.path, PORT=str(self.port), BUILD=BUILD,
            PEERS=PEERS, CLIENTS=str(clients))
        self.version = self.ask("version")
        self.does = self.ask("does")

    def command(self, verb):
        return [f"{HERE}/peers/{self.name}", verb]

    def ask(self, verb):
        done = subprocess.run(
            self.command(verb), cwd=TOP, env=self.environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=120, check=False)
        text = done.stdout.strip()
        if done.returncode != 0:
            raise RuntimeError(text.split("\n")[-1] or f"{self.name}: {verb} failed")
        return text

    def start(self):
        self.ask("setup")
        self.account = account(self.name)
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                self.command("run"), cwd=TOP, env=self.environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=self.account.enter)
        self.account.pid = self.process.pid
        deadline = time.monotonic() + START_S
        while not self.answers():
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name}: does not answer: {self.last_words()}")
            time.sleep(0.1)
        self.ask("started")

    def last_words(self):
        with open(self.log, encoding="latin-1") as f:
            return (f.read().strip().split("\n") or [""])[-1][:200]

    def answers(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5) as s:
                greeting = s.recv(512)
                s.sendall(b"QUIT\r\n")
                return greeting.startswith(b"220")
        except OSError:
            return False

    def cpu_s(self):
        return self.account.cpu_s()

    def stored(self):
        return int(self.ask("count"))

    def clear(self):
        self.ask("clear")

    def memory_kib(self):
        """PSS of all its processes."""
        total = 0
        for pid in self.account.processes():
            try:
                with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
                    for line in f:
                        if line.startswith("Pss:"):
                            total += int(line.split()[1])
            except OSError:
                pass
        return total

    def stop(self):
        """SIGTERM to its processes, then SIGKILL to what is left of them."""
        if not self.process:
            return
        begin = time.monotonic()
        number, seen = signal.SIGTERM, set()
        while time.monotonic() < begin + 10:
            if number == signal.SIGTERM and time.monotonic() > begin + 5:
                number = signal.SIGKILL
                signal_all(seen, number)
            more = set(self.account.processes()) | {self.process.pid}
            signal_all(more - seen, number)
            seen |= more
            self.process.poll()
            if not alive(seen):
                break
            time.sleep(0.05)
        self.process.poll()
        self.account.remove()
        self.process = None


def signal_all(pids, number):
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def alive(pids):
    """Zombies are not."""
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat", encoding="latin-1") as f:
                if f.read().rpartition(")")[2].split()[0] != "Z":
                    return True
        except OSError:
            pass
    return False


@contextlib.contextmanager
def one_server(program, seconds, name, clients):
    """A peer alone, from start to stop, at most so long."""
    give_up(program, seconds)
    os.chdir(TOP)
    place = Place()
    server = None
    try:
        place.copy_root()
        server = Server(place, name, clients)
        server.start()
        print(server.version, flush=True)
        yield server
    finally:
        signal.alarm(0)
        if server:
            server.stop()
        place.remove()
