"""A second implementation of the directory queue, written from the description
of the format alone: it behaves as the classic Perl module does, where that is
not a danger to the test. As a program: peer.py enqueue|drain DIR [N]."""
import os
import random
import socket
import stat
import sys
import time

ALPHABET = ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
            "0123456789+_")


def name_hash(host, pid):
    """The checksum of host and pid, as it stands in names."""
    digits = str(sum((host + str(pid)).encode()) % 65536)
    padded = digits.encode() + b"\0" * (-len(digits) % 3)
    out = ALPHABET[len(digits)]
    for i in range(0, len(padded), 3):
        bits = int.from_bytes(padded[i:i + 3], "big")
        for shift in (18, 12, 6, 0):
            value = bits >> shift & 63
            if value:
                out += ALPHABET[value]
    return out


class Job:
    def __init__(self, peer, name, control, lock, fields):
        self.peer, self.name = peer, name
        self.control, self.lock = control, lock
        self.own = {k: v for k, v in fields.items()
                    if len(k) == 4 and k[:1] == b"Q" and k.isupper()}
        self.metadata = {k: v for k, v in fields.items() if k not in self.own}
        self.path = self.own[b"QDFN"]

    def data(self):
        with open(self.path, "rb") as f:
            return f.read()

    def finish(self):
        for path in (self.control, self.path, self.lock):
            os.unlink(path)

    def give_back(self):
        os.unlink(self.lock)

    def touch(self):
        os.utime(self.lock)


class Peer:
    def __init__(self, directory, ordered=True, lifetime_s=600):
        self.directory, self.ordered = directory, ordered
        self.lifetime_s = lifetime_s
        self.host = socket.gethostname()

    def path(self, *parts):
        return "/".join((self.directory,) + parts)

    def enqueue(self, data, metadata=None, priority=50, now=None):
        now = time.time_ns() // 1000 if now is None else now
        seconds, micro = divmod(now, 1000000)
        base = "%02d.%s%06d.%s" % (
            priority, time.strftime("%Y%m%d%H%M%S", time.gmtime(seconds)),
            micro, name_hash(self.host, os.getpid()))
        leaf = self.path("data", base[-2], base[-1])
        for folder in (self.path("tmp"), leaf, self.path("queue")):
            os.makedirs(folder, exist_ok=True)
        own = self.path("tmp", "%s.%d" % (base, os.getpid()))
        draft = own + ".data"
        with open(draft, "xb") as f:
            f.write(data)
        target = self.link(draft, leaf + "/" + base[:-2], leaf + "/" + base)
        draft = own + ".ctrl"
        fields = [(b"QDFN", target.encode()), (b"QDSB", b"%d" % len(data)),
                  (b"QSTT", b"%d" % seconds), (b"QSTM", b"%d" % micro),
                  (b"QSHN", self.host.encode())] + list((metadata or {}).items())
        with open(draft, "xb") as f:
            for key, value in fields:
                f.write(key + b": " + value + b"\n")
        name = self.link(draft, self.path("queue", base),
                         self.path("queue", base))
        os.utime(self.path("queue"))
        return os.path.basename(name)

    @staticmethod
    def link(draft, target, base):
        """Under this name, or if it is taken under a longer one."""
        while True:
            try:
                os.link(draft, target)
                break
            except FileExistsError:
                target = "%s.%d.%d" % (base, os.getpid(),
                                       random.randrange(65536))
        os.unlink(draft)
        return target

    def is_held(self, lock):
        try:
            age = time.time() - os.lstat(lock).st_mtime
        except FileNotFoundError:
            return False
        if age < self.lifetime_s:
            return True
        with open(lock, encoding="latin-1") as f:
            lines = f.read().split("\n")
        if lines[0] != self.host:
            return True
        try:
            os.kill(int(lines[1]), 0)
            return True
        except OSError:
            pass
        if age < self.lifetime_s + random.randrange(256):
            return True
        os.unlink(lock)
        return False

    def names(self):
        names = [n for n in os.listdir(self.path("queue"))
                 if "0" <= n[0] <= "9"]
        return sorted(names) if self.ordered else names

    def parse(self, control):
        """The fields of a control file, None if it is of no job."""
        fields = {}
        with open(control, "rb") as f:
            for line in f.read().split(b"\n"):
                key, separator, value = line.partition(b": ")
                if separator:
                    fields[key] = value
        path = fields.get(b"QDFN")
        return fields if path and os.path.isfile(path) else None

    def pickup(self, path=None):
        os.makedirs(self.path("active"), exist_ok=True)
        for name in self.names():
            control = self.path("queue", name)
            if path not in (None, control):
                continue
            lock = self.path("active", name)
            if self.is_held(lock):
                continue
            draft = self.path("tmp", "%s.%d.%s.%d.active" % (
                name, time.time(), self.host, os.getpid()))
            os.makedirs(self.path("tmp"), exist_ok=True)
            with open(draft, "x", encoding="ascii") as f:
                f.write("%s\n%d\n" % (self.host, os.getpid()))
            try:
                if not stat.S_ISREG(os.stat(control).st_mode):
                    continue
                os.link(draft, lock)
                fields = self.parse(control)
            except FileExistsError:
                continue
            except FileNotFoundError:
                try:
                    if os.path.samefile(lock, draft):
                        os.unlink(lock)
                except FileNotFoundError:
                    pass
                continue
            finally:
                os.unlink(draft)
            if fields:
                return Job(self, name, control, lock, fields)
        return None

    def visit(self):
        """Of all whole jobs: {name: (metadata, data)}"""
        found = {}
        for name in self.names():
            fields = self.parse(self.path("queue", name))
            if fields:
                job = Job(self, name, None, None, fields)
                found[name] = (job.metadata, job.data())
        return found

    def wait(self, timeout_s, poll_s=0.1):
        """Pick up what comes, looking when the directory's time changes."""
        end = time.monotonic() + timeout_s
        while True:
            seen = os.stat(self.path("queue")).st_mtime_ns
            job = self.pickup()
            while not job and os.stat(self.path("queue")).st_mtime_ns == seen:
                if time.monotonic() > end:
                    return None
                time.sleep(poll_s)
            if job:
                return job


def main():
    peer = Peer(sys.argv[2], ordered=len(sys.argv) < 5)
    if sys.argv[1] == "enqueue":
        for i in range(int(sys.argv[3])):
            peer.enqueue(b"peer %d %d\n" % (os.getpid(), i))
        return
    while True:  # drain until standard input ends
        job = peer.pickup()
        if job:
            sys.stdout.buffer.write(job.data())
            sys.stdout.flush()
            job.finish()
        elif not peer.names():
            return
        else:
            time.sleep(0.01)


if __name__ == "__main__":
    main()
