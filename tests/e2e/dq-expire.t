#!/usr/bin/env python3
"""dq-expire: which jobs go, which stay, and whose they are."""
import os
import resource
import signal
import socket
import subprocess
import sys
import time

LIB = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib")
sys.path.insert(0, LIB)
import dirqueue as d

PROGRAM = os.path.join(d.BUILD, "dq-expire")
HOST = socket.gethostname()


def run(*arguments):
    result = subprocess.run([PROGRAM, *arguments], check=False,
                            capture_output=True, timeout=d.DEADLINE_S)
    return result.returncode, result.stdout.decode(), result.stderr.decode()


def round_of(log):
    """The numbers of the last round."""
    line = [line for line in log.splitlines() if ": round" in line][-1]
    return {field.split("=")[0]: int(field.split("=")[1])
            for field in line.split() if "=" in field}


def put(age_s, body=b"x", metadata=(), priority=50):
    """A job that came in so long ago."""
    return d.enqueue("q", body, metadata, priority=priority, age_s=age_s)


def flood(n, age_s, ip, sender):
    """sender and ip may have a number in them; the names."""
    return [put(age_s + n - i, metadata=(("ip", ip.replace("#", str(i))),
                                         ("mail_from",
                                          sender.replace("#", str(i)))))
            for i in range(n)]


def left():
    return set(os.listdir("q/queue"))


def lock(name, pid):
    with open("q/active/" + name, "w", encoding="ascii") as file:
        file.write("%s\n%d\n" % (HOST, pid))


def test_age():
    old = [put(5000, priority=1), put(4000, b"0123456789", priority=90)]
    new = [put(3500), put(10, priority=99)]
    with open("q/queue/7", "wb") as file:
        file.write(b"")
    os.utime("q/queue/7", (1, time.time() - 9999))
    before = d.files("q")
    code, out, log = run("-n", "-a", "3600", "q")
    d.equal((code, out), (0, "".join(
        "would expire job=%s why=age\n" % name for name in ["7", *old])),
            "-n: says which, the oldest first")
    d.ok(": round, nothing removed age=3" in log, "-n: the log")
    d.equal(d.files("q"), before, "-n: nothing is done")
    code, out, log = run("-a", "3600", "q")
    d.equal((code, out, left()), (0, "", {"7", *new}), "-a: the old ones go")
    d.equal(round_of(log), {"age": 2, "cap": 0, "freed": 11, "active": 0,
                            "damaged": 1, "jobs": 3},
            "a line with the numbers; a damaged job stays")
    d.equal(len([f for f in d.files("q") if not f.startswith("queue/")]), 2,
            "with data files and locks")
    code, _, log = run("-a", "3600", "q")
    d.equal(round_of(log)["age"], 0, "nothing more")


def test_caps():
    names = [put(2000 - 100 * i, b"0123456789", priority=i % 7)
             for i in range(20)]
    d.equal((run("-c", "20", "q")[0], len(left())), (0, 20), "just the cap")
    _, _, log = run("-c", "18", "q")
    d.equal((left(), round_of(log)["cap"]), (set(names[2:]), 2),
            "-c: the oldest go, whatever their priority")
    _, _, log = run("-b", "100", "q")
    d.equal((left(), round_of(log)["bytes"]), (set(names[10:]), 100), "-b")
    run("-b", "99", "q")
    d.equal(left(), set(names[11:]), "-b: one byte less")
    run("-a", "550", "-c", "4", "-b", "70", "q")
    d.equal(left(), set(names[16:]), "all together")
    for option in ("-a", "-b", "-c"):
        put(100, b"0123456789")
        d.equal((run(option, "0", "q")[0], left()), (0, set()),
                option + " 0: none is left")


def test_locks():
    names = [put(1000 - i) for i in range(6)]
    lock(names[0], os.getpid())
    lock(names[1], d.DEAD_PID)
    os.utime("q/active/" + names[1], (1, time.time() - 900))
    lock(names[2], d.DEAD_PID)
    code, out, _ = run("-n", "-c", "2", "q")
    d.equal(out.count("would expire"), 3, "-n: active ones are not named")
    code, _, log = run("-c", "2", "q")
    d.equal((code, left()), (0, {names[0], names[2]}),
            "an active job stays, the next one goes; a stale lock is no lock")
    d.equal(round_of(log), {"age": 0, "cap": 4, "freed": 4, "active": 2,
                            "damaged": 0, "jobs": 2}, "... says the log")
    d.equal(sorted(os.listdir("q/active")), sorted([names[0], names[2]]),
            "their locks stay")
    d.equal(os.listdir("q/tmp"), [], "nothing stays in tmp")


def test_outside():
    """What a control file names elsewhere is not removed."""
    victim = os.path.abspath("victim/data/a/b/x")
    os.makedirs(os.path.dirname(victim))
    with open(victim, "wb"):
        pass
    d.enqueue("q", b"x", QDFN=victim, QDSB=0)
    os.makedirs("q/data/l", exist_ok=True)
    os.symlink(os.path.dirname(victim), "q/data/l/k")
    d.enqueue("q", b"x", QDFN="data/l/k/x", QDSB=0)
    time_ago = [put(100), put(90)]
    _, _, log = run("-a", "0", "q")
    d.equal(run("-c", "1", "q")[0], 0, "jobs with data elsewhere")
    d.ok(os.path.exists(victim) and not left() & set(time_ago),
         "what is elsewhere stays")


def test_fair():
    small = flood(3, 5000, "192.0.2.#", "small@example")
    other = flood(2, 9000, "2001:db8::#", "other@example")
    one_client = flood(40, 1000, "198.51.100.#", "a#@example")
    run("-f", "-c", "20", "q")
    d.equal((len(left()), set(small + other) - left()), (20, set()),
            "-f: a flood of one client does not push the others out")
    d.equal(left() & set(one_client), set(one_client[-15:]),
            "... and of the flood the newest stay")
    many_clients = flood(40, 500, "10.0.#.1", "flood@example")
    run("-f", "-c", "25", "q")
    d.equal((len(left()), set(small + other) - left()), (25, set()),
            "-f: nor one with one sender")
    d.equal(left() & set(one_client + many_clients),
            set(one_client[-10:] + many_clients[-10:]),
            "... and both floods have equal shares")
    run("-c", "25", "-a", "4000", "-f", "q")
    d.equal(left() & set(small + other), set(), "-f: but not for ever")


def test_fair_bytes():
    small = [put(9000, b"s" * 10, (("ip", "192.0.2.%d" % i),))
             for i in range(3)]
    large = [put(100, b"l" * 100, (("ip", "198.51.100.1"),
                                   ("mail_from", "l@example")))
             for _ in range(10)]
    run("-f", "-b", "350", "q")
    d.equal((len(left() & set(large)), set(small) - left()), (3, set()),
            "-f -b: large messages do not push small ones out")
    for name in left():
        lock(name, os.getpid())
    _, _, log = run("-f", "-a", "8000", "-c", "1", "-b", "1", "q")
    d.equal((round_of(log)["active"], len(left())), (6, 6),
            "each active job counts once, for whatever cap")


def test_service():
    put(100)
    with open("log", "wb") as log_file:
        process = subprocess.Popen([PROGRAM, "-w", "1", "-c", "2", "q"],
                                   stderr=log_file)

    def log():
        with open("log", encoding="ascii") as file:
            return file.read()

    d.wait_for(lambda: "jobs=1" in log(), "a round")
    unlimited = resource.RLIM_INFINITY
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, unlimited))
    names = [put(90 - i) for i in range(4)]
    d.wait_for(lambda: left() == set(names[2:]), "with no room for a byte")
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE,
                     (unlimited, unlimited))
    names = [put(50 - i) for i in range(4)]
    d.wait_for(lambda: left() == set(names[2:]), "another round")
    os.rename("q", "away")
    d.wait_for(lambda: "storage failed" in log(), "the queue is not there")
    os.rename("away", "q")
    name = put(1)
    d.wait_for(lambda: left() == {names[3], name}, "it is there again")
    d.ok(process.poll() is None, "-w: it runs on")
    process.send_signal(signal.SIGTERM)
    d.equal(process.wait(d.DEADLINE_S), 0, "-w: SIGTERM ends it")


def test_beside_workers():
    """Two of it and a Perl worker: each job goes once."""
    for i in range(150):
        put(1000 - i)
    helpers = [subprocess.Popen([PROGRAM, "-c", "1", "q"],
                                stderr=subprocess.PIPE) for _ in range(2)]
    taken = 0
    end = time.monotonic() + d.DEADLINE_S
    while left() and time.monotonic() < end:
        taken += subprocess.run([os.path.join(LIB, "dirqueue-take"), "q"],
                                check=False, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL).returncode == 0
    removed = 0
    for helper in helpers:
        log = helper.communicate(timeout=d.DEADLINE_S)[1].decode()
        removed += round_of(log)["cap"]
    d.equal((taken + removed, left()), (150, set()), "each job goes once")
    d.equal([f for f in d.files("q") if "data/" in f], [], "and all data")


def test_usage():
    for arguments in ((), ("q",), ("-c", "", "q"), ("-a", "x", "q"),
                      ("-b", "1", "q", "q"), ("-x", "-c", "1", "q"),
                      ("-c", "1", "-w", "0", "q")):
        code, out, err = run(*arguments)
        d.equal((code, out, "dq-expire: usage: " in err), (100, "", True),
                "wrong usage: " + " ".join(arguments))
    d.equal(run("-c", "1", "none")[0], 111, "no such queue")
    os.mkdir("q")
    d.equal((run("-n", "-c", "1", "q")[0], os.listdir("q")), (0, []),
            "-n: an empty queue stays empty")


for test in (test_age, test_caps, test_locks, test_outside, test_fair,
             test_fair_bytes, test_service, test_beside_workers, test_usage):
    with d.Top():
        test()
d.done()
