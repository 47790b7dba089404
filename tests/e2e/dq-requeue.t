#!/usr/bin/env python3
"""dq-requeue: what comes back, what does not, and that nothing is lost."""
import fcntl
import os
import subprocess
import sys

LIB = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib")
sys.path.insert(0, LIB)
import dirqueue as d

PROGRAM = os.path.join(d.BUILD, "dq-requeue")
STATE = (("dq.tries", "3"), ("dq.first", "1795218323"),
         ("dq.last", "451 4.3.0 no"), ("dq.failed", "too old: 451 no"))


def run(*arguments):
    result = subprocess.run([PROGRAM, *arguments], check=False,
                            capture_output=True, timeout=d.DEADLINE_S)
    return result.returncode, result.stdout.decode(), result.stderr.decode()


def put_aside(body, metadata=STATE, directory="failed", due="", **own):
    name = d.enqueue("q", body, (("ip", "192.0.2.1"), *metadata), **own)
    os.makedirs("q/" + directory, exist_ok=True)
    os.rename("q/queue/" + name, "q/%s/%s%s" % (directory, due, name))
    return name


def bodies(top):
    return sorted(data for _, data in d.jobs(top).values())


def test_all():
    names = [put_aside(b"one"), put_aside(b"two", (), priority=60)]
    plan = d.files("q")
    code, out, err = run("-n", "q")
    d.equal((code, out, err),
            (0, "".join("would requeue job=%s\n" % n for n in names), ""),
            "-n: says what it would do")
    d.equal(d.files("q"), plan, "-n: nothing is done")
    os.utime("q/queue", (1, 1))  # clocks of file systems go in steps
    code, out, err = run("q")
    d.equal((code, out, err),
            (0, "".join("requeued job=%s\n" % n for n in names), ""),
            "each job is reported")
    d.equal((sorted(d.jobs("q")), bodies("q"), os.listdir("q/failed")),
            (sorted(names), [b"one", b"two"], []), "they are back, and whole")
    d.equal([key for metadata, _ in d.jobs("q").values() for key in metadata
             if key.startswith(b"dq.")], [], "with no state of tries")
    d.ok(all(metadata[b"ip"] == b"192.0.2.1"
             for metadata, _ in d.jobs("q").values()), "and their metadata")
    d.ok(os.stat("q/queue").st_mtime > 1, "waiting workers are woken")
    d.equal(os.listdir("q/tmp"), [], "nothing stays in tmp")
    d.equal(run("q"), (0, "", ""), "none is left")


def test_named():
    names = [put_aside(b"%d" % i) for i in range(4)]
    code, out, _ = run("q", names[2], "q/failed/" + names[0], "50.none",
                       "../queue/50.x", "other/failed/" + names[1], "x")
    d.equal(code, 111, "some are left: 111")
    d.equal(out.splitlines(), [
        "requeued job=" + names[2], "requeued job=" + names[0],
        'left job=50.none reason="no such job"',
        'left job=../queue/50.x reason="no name of a job"',
        'left job=other/failed/%s reason="no name of a job"' % names[1],
        'left job=x reason="no name of a job"'], "each is reported")
    d.equal(bodies("q"), [b"0", b"2"], "only those that were named")
    d.equal(run("q", names[2])[1], 'left job=%s reason="no such job"\n'
            % names[2], "one that is back is no failed job")
    for name, spelling in ((names[1], "./q//failed/"),
                           (names[3], os.getcwd() + "/q/failed/")):
        d.equal(run("q/", spelling + name)[1], "requeued job=%s\n" % name,
                "the path is spelt otherwise")


def test_damaged():
    names = []
    for body, own in ((b"short", {"QDSB": 9}), (b"out", {"QDFN": "/etc/passwd"}),
                      (b"gone", {"QDFN": "data/a/b/none"}),
                      (b"none", {"QDFN": None})):
        names.append(put_aside(body, **own))
    names.append(put_aside(b"cut"))
    os.truncate("q/failed/" + names[-1], 60)
    names.append(put_aside(b"twice"))
    with open("q/queue/" + names[-1], "wb") as other:
        other.write(b"another")
    os.symlink("/etc/passwd", "q/failed/50.link")
    before = d.files("q")
    code, out, _ = run("q")
    reasons = [line.split("reason=")[1] for line in out.splitlines()]
    d.equal((code, reasons), (111, [
        '"data file cut short"', '"data file not in the queue"',
        '"data file is gone"', '"no data file named"', '"cut short"',
        '"the queue has a job of this name"']), "jobs that are not whole stay")
    d.equal(d.files("q"), before, "... as they are")
    with open("q/queue/" + names[-1], "rb") as other:
        d.equal(other.read(), b"another", "... and hurt no other")


def test_other_queue():
    name = put_aside(b"a\0b\n" * 50000, priority=7)
    bad = put_aside(b"bad", (("", "no key"),))
    os.mkdir("r")
    code, out, err = run("-n", "-t", "r", "q")
    d.equal((code, os.listdir("r"), err), (0, [], ""), "-n -t makes nothing")
    code, out, _ = run("-t", "r", "q")
    jobs = d.jobs("r")
    d.equal((code, len(jobs)), (111, 1), "-t: one goes, one cannot")
    (new, (metadata, data)), = jobs.items()
    d.equal(out.splitlines(), ["requeued job=%s to=r as=%s" % (name, new),
                               "left job=%s reason=\"metadata that another "
                               "queue cannot have\"" % bad], "-t: report")
    d.equal((data, metadata[b"ip"], new[:3], b"dq.tries" in metadata),
            (b"a\0b\n" * 50000, b"192.0.2.1", "07.", False), "-t: all of it")
    d.equal(d.files("q"), sorted(
        ["failed/" + bad, "data/%s/%s/%s" % (bad[-2], bad[-1], bad[:-2])]),
        "-t: the first queue has it no more")
    code, _, err = run("-t", "none", "q")
    d.equal((code, "none" in err), (111, True), "-t: no such queue")


def test_from():
    put_aside(b"refused", directory="refused")
    due = put_aside(b"deferred", directory="deferred", due="999999999999.")
    d.equal(run("-f", "refused", "q")[0], 0, "-f: another directory")
    d.equal(run("-f", "deferred", "q")[1],
            "requeued job=999999999999.%s\n" % due, "-f deferred")
    d.equal((bodies("q"), due in d.jobs("q")),
            ([b"deferred", b"refused"], True), "-f: they are back")
    for name in ("queue", "tmp", "data", "active", "..", "../q", "", ".x"):
        d.equal(run("-f", name, "q")[0], 100, "-f %r: 100" % name)
    d.equal(run("-f", "none", "q"), (0, "", ""), "-f: there is none")


def test_alone():
    """Whoever else brings jobs back is waited for."""
    put_aside(b"one")
    holder = os.open("q/failed", os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    with subprocess.Popen([PROGRAM, "q"], stdout=subprocess.DEVNULL) as process:
        def is_waiting():
            with open("/proc/%d/wchan" % process.pid, encoding="ascii") as why:
                if "lock" in why.read():
                    return True
            with open("/proc/%d/syscall" % process.pid,
                      encoding="ascii") as call:
                return call.read().split()[0] in ("73", "32")  # flock
        d.wait_for(is_waiting, "it waits")
        d.equal(len(d.jobs("q")), 0, "the lock is respected")
        os.close(holder)
        d.equal(process.wait(d.DEADLINE_S), 0, "... and then it goes on")
    d.equal(bodies("q"), [b"one"], "the job is back")


def kill_at(call, n, target):
    """Killed before the nth such call, and run again; whether there was one."""
    put_aside(b"precious")
    os.mkdir("r")
    code = subprocess.run(
        ["strace", "-f", "-qq", "-o", "trace", "-e", "trace=" + call,
         "-e", "inject=%s:signal=KILL:when=%d" % (call, n),
         PROGRAM, *target, "q"], check=False, capture_output=True,
        env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}).returncode
    run(*target, "q")
    got = bodies("q") + bodies("r")
    if set(got) != {b"precious"} or len(got) > 1 + len(target):
        d.ok(False, "%s %d %s: %r" % (call, n, target, got))
    return code != 0


def test_killed():
    """Never lost, never torn, and in two places only on the way to another
    queue."""
    probe = subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"],
                           check=False, stderr=subprocess.DEVNULL)
    if probe.returncode:
        d.skip("killed anywhere", "strace may not trace here")
        return
    for target, least in (([], 4), (["-t", "r"], 14)):
        killed = 0
        for call in ("rename,renameat,renameat2", "unlink,unlinkat", "fsync",
                     "link,linkat", "write"):
            for n in range(1, 30):
                with d.Top():
                    if not kill_at(call, n, target):
                        break
                    killed += 1
        d.ok(least <= killed < 60, "killed at %d places: %s" %
             (killed, " ".join(["dq-requeue", *target])))


def test_usage():
    os.mkdir("q")
    for arguments in ((), ("-x", "q"), ("-t",)):
        code, out, err = run(*arguments)
        d.equal((code, out, "usage: dq-requeue" in err), (100, "", True),
                "wrong usage: " + " ".join(arguments))
    d.equal(run("none")[0], 111, "no such queue")
    d.equal((run("-n", "q"), os.listdir("q")), ((0, "", ""), []),
            "-n: an empty queue stays empty")


for test in (test_all, test_named, test_damaged, test_other_queue, test_from,
             test_alone, test_usage):
    with d.Top():
        test()
test_killed()
d.done()
