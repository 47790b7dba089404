#!/usr/bin/env python3
"""dq-fsck: what it finds, what it repairs, and what it leaves alone."""
import os
import socket
import subprocess
import sys
import time

LIB = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib")
sys.path.insert(0, LIB)
import dirqueue as d

PROGRAM = os.path.join(d.BUILD, "dq-fsck")
HOST = socket.gethostname()
HOUR = 3600
SYMBOLS = ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
           "0123456789+_")


def run(*arguments):
    result = subprocess.run([PROGRAM, *arguments], check=False,
                            capture_output=True, timeout=d.DEADLINE_S)
    return result.returncode, result.stdout.decode(), result.stderr.decode()


def findings(out):
    """{(word, path)} and the summary."""
    *lines, summary = out.splitlines()
    return {tuple(line.split()[:2]) for line in lines}, summary


def age(path, seconds):
    os.utime("q/" + path, (time.time(), time.time() - seconds))


def put(path, text=b"", age_s=0):
    os.makedirs(os.path.dirname("q/" + path), exist_ok=True)
    with open("q/" + path, "wb") as file:
        file.write(text)
    age(path, age_s)


def name_hash(host, pid):
    digits = str(sum((host + str(pid)).encode()) % 65536).encode()
    bits = digits + b"\0" * (-len(digits) % 3)
    out = SYMBOLS[len(digits)]
    for i in range(0, len(bits), 3):
        group = int.from_bytes(bits[i:i + 3], "big")
        out += "".join(SYMBOLS[v] for v in ((group >> s) & 63
                                            for s in (18, 12, 6, 0)) if v)
    return out


def check(wanted, name, fixed=None):
    """Findings dry, and with -y; and that dry does nothing."""
    wanted = {(word, "path=" + path) for word, path in wanted}
    fixed = len(wanted) if fixed is None else fixed
    before = d.files("q")
    code, out, err = run("q")
    d.equal((code, *findings(out), err),
            (1 if wanted else 0, wanted, "findings=%d fixed=0 left=%d"
             % (len(wanted), len(wanted)), ""), name)
    d.equal(d.files("q"), before, name + ": dry")
    code, out, err = run("-y", "q")
    d.equal((code, *findings(out), err),
            (1 if fixed < len(wanted) else 0, wanted,
             "findings=%d fixed=%d left=%d" % (len(wanted), fixed, len(wanted)
                                               - fixed), ""), name + ": -y")
    return set(before) - set(d.files("q"))


def test_clean():
    os.mkdir("q")
    d.equal((run("q"), os.listdir("q")),
            ((0, "findings=0 fixed=0 left=0\n", ""), []), "an empty queue")
    for i in range(3):
        name = d.enqueue("q", b"x" * i)
        age("data/%s/%s/%s" % (name[-2], name[-1], name[:-2]), 50 * HOUR)
    put("active/" + name, ("%s\n%d\n" % (HOST, os.getpid())).encode(), 5000)
    put("note", b"x", 99 * HOUR)
    d.equal(check((), "a queue that is well"), set(), "all of it stays")


def test_tmp():
    dead, alive = d.DEAD_PID, os.getpid()
    long_name = "50.20261120234555612345.%s.%d.00123.data"
    gone = long_name % (name_hash(HOST, dead), dead)
    go, stay = {}, {}
    go[gone] = stay["x" + gone] = 2 * HOUR
    stay[gone.replace("data", "ctrl")] = HOUR - 60
    stay[long_name % (name_hash(HOST, alive), alive)] = 2 * HOUR
    stay[long_name % (name_hash(HOST, dead)[:-1] + "?", dead)] = 2 * HOUR
    go["50.20261120234555612345.DNDg0.data"] = 37 * HOUR
    go["7.ctrl"] = 37 * HOUR
    stay["8.ctrl"] = 35 * HOUR
    stay["9.tmp"] = 99 * HOUR
    go["lock0.1795218323.%s.%d.active" % (HOST, dead)] = 400
    stay["lock0.1795218323.x%s.%d.active" % (HOST, dead)] = 400
    stay["lock1.1795218323.%s.%d.active" % (HOST, dead)] = 200
    stay["lock0.1795218323.%s.%d.active" % (HOST, alive)] = 9 * HOUR
    go["50.1.1795218323.elsewhere.%d.active" % alive] = HOUR + 60
    stay["50.2.1795218323.elsewhere.%d.active" % dead] = HOUR - 60
    go["x.active"] = HOUR + 60
    for name, seconds in (*go.items(), *stay.items()):
        put("tmp/" + name, b"", seconds)
    os.mkdir("q/tmp/dir.data")
    os.symlink("/etc/passwd", "q/tmp/link.data")
    age("tmp/dir.data", 99 * HOUR)
    name = d.enqueue("q", b"body")
    os.link("q/queue/" + name, "q/tmp/twice.ctrl")
    age("tmp/twice.ctrl", 37 * HOUR)
    go["twice.ctrl"] = 0
    d.equal(check({("tmp-debris", "tmp/" + name) for name in go}, "tmp"),
            {"tmp/" + name for name in go}, "tmp: what goes")
    d.equal(d.jobs("q")[name][1], b"body", "a second name is no loss")
    d.ok(os.path.isdir("q/tmp/dir.data"), "a directory stays")


def test_locks():
    mine, gone = (("%s\n%d\n" % (HOST, pid)).encode()
                  for pid in (os.getpid(), d.DEAD_PID))
    jobs = [d.enqueue("q", b"x") for _ in range(7)]
    for job, text, age_s in zip(jobs, (gone, gone, mine, b"", b"", b"vm\n",
                                       b"elsewhere\n1\n"),
                                (900, 800, 9000, 900, 800, 900, 9000)):
        put("active/" + job, text, age_s)
    put("active/50.none", gone, HOUR + 60)
    put("active/50.soon", gone, HOUR - 60)
    fanned = d.enqueue("q", b"x", place="a")
    put("active/" + fanned, gone, 900)
    put("active/foo", gone, 99 * HOUR)
    wanted = {("stale-lock", "active/" + jobs[0]),
              ("empty-lock", "active/" + jobs[3]),
              ("empty-lock", "active/" + jobs[5]),
              ("orphan-lock", "active/50.none"),
              ("stale-lock", "active/" + fanned)}
    d.equal(check(wanted, "locks", 5), {path for _, path in wanted},
            "locks: what goes")
    d.equal(len([f for f in d.files("q") if f.startswith("tmp/")]), 0,
            "no lock of its own stays")


def test_jobs():
    damaged = [d.enqueue("q", b"short", QDSB=9),
               d.enqueue("q", b"x", QDFN="/etc/passwd"),
               d.enqueue("q", b"x", QDFN="data/a/b/none"),
               d.enqueue("q", b"x", QDFN=None)]
    put("queue/50.empty")
    damaged.append("50.empty")
    held = d.enqueue("q", b"short", QDSB=9)
    taken = d.enqueue("q", b"short", QDSB=9)
    put("active/" + held, ("%s\n%d\n" % (HOST, os.getpid())).encode())
    put("failed/" + taken, b"another")
    longer = d.enqueue("q", b"longer", (("k", "v"),), QDSB=2)
    with open("q/queue/" + damaged[0], "rb") as file:
        text = file.read()
    d.enqueue("q", b"well")
    wanted = {("damaged-job", "queue/" + name)
              for name in (*damaged, held, taken)}
    wanted.add(("size-differs", "queue/" + longer))
    d.equal(check(wanted, "jobs", 6), {"queue/" + name for name in damaged},
            "jobs: what goes")
    with open("q/failed/" + damaged[0], "rb") as file:
        d.equal(file.read(), text, "it is in failed, as it was")
    with open("q/failed/" + taken, "rb") as file:
        d.equal(file.read(), b"another", "none there is lost")
    metadata, data = d.jobs("q")[longer]
    d.equal((metadata[b"QDSB"], metadata[b"k"], data), (b"6", b"v", b"longer"),
            "the size is right now")
    with open("/etc/passwd", "rb") as file:
        d.ok(file.read(), "what is elsewhere is left alone")


def test_odd():
    """What no program takes, and no program said."""
    name = d.enqueue("q", b"x")
    os.symlink(name, "q/queue/50.link")
    os.symlink("/", "q/data/z")
    os.mkfifo("q/queue/50.fifo")
    os.makedirs("q/queue/50.dir")
    os.makedirs("q/queue/f/50.deep")
    os.makedirs("q/active/" + name)
    os.symlink("/nowhere", "q/active/50.link")
    put("queue/foo")
    put("queue/.nfs1")
    put("queue/" + "5" * 216)
    put("data/a/file")
    os.makedirs("q/data/long/b")
    leaf = os.path.dirname(data_of(name))
    os.mkdir("q/" + leaf + "/dir")
    os.symlink("/etc/passwd", "q/" + leaf + "/link")
    odd = {"queue/50.link", "data/z", "queue/50.fifo", "queue/50.dir",
           "queue/f/50.deep", "queue/foo", "queue/" + "5" * 216,
           "data/a/file", "data/long", leaf + "/dir", leaf + "/link",
           "active/" + name, "active/50.link"}
    d.equal(check({("odd-entry", path) for path in odd}, "odd entries", 0),
            set(), "nothing is repaired")


def test_read_only():
    """To look, nothing need be written."""
    name = d.enqueue("q", b"short", QDSB=9)
    shell = ("mount --bind q q && mount -o remount,ro,bind q && "
             'exec "$0" "$@"')
    unshare = ["unshare", "-rm", "sh", "-c", shell, PROGRAM]
    try:
        result = subprocess.run([*unshare, "q"], capture_output=True,
                                check=False, timeout=d.DEADLINE_S)
    except FileNotFoundError:
        d.skip("a read-only file system", "no unshare")
        return
    if b"mount" in result.stderr or b"unshare" in result.stderr:
        d.skip("a read-only file system", "no mount")
        return
    d.equal((result.returncode, b"queue/" + name.encode() in result.stdout,
             result.stderr), (1, True, b""), "a read-only file system")
    result = subprocess.run([*unshare, "-y", "q"], capture_output=True,
                            check=False, timeout=d.DEADLINE_S)
    d.ok(result.returncode == 111 and b"Read-only" in result.stderr,
         "... of which -y says so")


def data_of(name):
    return "data/%s/%s/%s" % (name[-2], name[-1], name[:-2])


def test_data():
    keep = []
    for place in ("queue", "failed", "refused", "deferred", "queue/b"):
        name = d.enqueue("q", b"x")
        os.makedirs("q/" + place, exist_ok=True)
        due = "000000000001." if place == "deferred" else ""
        os.rename("q/queue/" + name, "q/%s/%s%s" % (place, due, name))
        keep.append(data_of(name))
    renamed = d.enqueue("q", b"x")
    os.rename("q/queue/" + renamed, "q/failed/50.renamed")
    damaged = d.enqueue("q", b"x")
    os.rename("q/queue/" + damaged, "q/failed/" + damaged)
    os.truncate("q/failed/" + damaged, 0)
    keep += [data_of(renamed), data_of(damaged)]
    for path in keep:
        age(path, 99 * HOUR)
    orphans = []
    for i in range(2):
        name = d.enqueue("q", b"x")
        os.unlink("q/queue/" + name)
        orphans.append(data_of(name))
        age(orphans[i], (37 + i) * HOUR)
    young = d.enqueue("q", b"x")
    os.unlink("q/queue/" + young)
    age(data_of(young), 35 * HOUR)
    put("data/long/y/file", b"", 99 * HOUR)
    os.makedirs("q/data/x/y/dir")
    age("data/x/y/dir", 99 * HOUR)
    os.mkdir("other")
    os.makedirs("other/l/m")
    with open("other/l/m/victim", "wb"):
        os.utime("other/l/m/victim", (1, 1))
    os.symlink(os.path.abspath("other/l"), "q/data/l")
    wanted = {("orphan-data", path) for path in orphans}
    wanted |= {("odd-entry", "data/" + path)
               for path in ("l", "long", "x/y/dir")}
    d.equal(check(wanted, "data", len(orphans)), set(orphans),
            "data: what goes")
    d.ok(os.path.exists("other/l/m/victim") and os.path.isdir("q/data/x/y/dir"),
         "a link is not followed, a directory stays")


def test_unreadable():
    """What cannot be read is no damage, and names no orphan."""
    if os.getuid() == 0:
        os.chown(".", 65534, 65534)
        os.setegid(65534)
        os.seteuid(65534)
    orphan, job = d.enqueue("q", b"x"), d.enqueue("q", b"x")
    os.unlink("q/queue/" + orphan)
    age(data_of(orphan), 99 * HOUR)
    os.chmod("q/queue/" + job, 0)
    before = d.files("q")
    result = subprocess.run([PROGRAM, "-y", "q"], check=False,
                            capture_output=True, timeout=d.DEADLINE_S,
                            preexec_fn=as_nobody)
    d.equal((result.returncode, result.stdout),
            (111, b"findings=0 fixed=0 left=0\n"), "an unreadable job: 111")
    d.ok(b"unable to look at the job queue/" in result.stderr, "... named")
    d.equal(d.files("q"), before, "... and nothing is removed")
    if os.getuid() == 0:
        os.seteuid(0)
        os.setegid(0)


def as_nobody():
    if os.getuid() == 0:
        os.seteuid(0)
        os.setgid(65534)
        os.setuid(65534)


def test_usage():
    for arguments in ((), ("-x", "q"), ("q", "q")):
        code, out, err = run(*arguments)
        d.equal((code, out, "usage: dq-fsck" in err), (100, "", True),
                "wrong usage: " + " ".join(arguments))
    d.equal(run("none")[0], 111, "no such queue")


for test in (test_clean, test_tmp, test_locks, test_jobs, test_odd,
             test_read_only, test_data, test_unreadable, test_usage):
    with d.Top():
        test()
d.done()
