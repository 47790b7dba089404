#!/usr/bin/env python3
"""Our programs and another implementation of the format (lib/peer.py) on the
same queues."""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, "tests/e2e/lib")
from dirqueue import (BUILD, DEAD_PID, DEADLINE_S, Top, done,  # noqa: E402
                      equal, files, ok, wait_for)
from peer import Peer, name_hash  # noqa: E402

PEER = os.path.abspath("tests/e2e/lib/peer.py")
HOST = socket.gethostname()
ODD = {b"empty": b"", b"colons": b": b: c", b"blanks": b"  x\t ",
       b"return": b"x\r", b"high": bytes(range(128, 256)),
       b"k k": b"v", b"Qab": b"1", b"QABCD": b"2", b"qABC": b"3",
       b"long": b"x" * 100000}


def run(program, *arguments, data=b"", **options):
    result = subprocess.run([os.path.join(BUILD, program), *arguments],
                            check=False, input=data, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, timeout=60, **options)
    return result.returncode, result.stdout


def submit(data, *arguments):
    code, _ = run("dq-submit", "--dir", "q", *arguments, data=data)
    if code:
        raise SystemExit("dq-submit: exit code %d" % code)


def take():
    """The data of the job that is first for us, None if there is none."""
    code, out = run("dq-deque", "--dir", "q", "cat")
    if (code, out) == (0, b"no jobs left\n"):
        return None
    return out[:-len(b"finished\n")] if out.endswith(b"finished\n") else code


def listed():
    """{name: what dq-list says}"""
    _, out = run("dq-list", "--dir", "q", "--json")
    jobs = [json.loads(line) for line in out.splitlines()]
    return {job["job"]: job for job in jobs}


def lock(name, text, age_s):
    os.makedirs("q/active", exist_ok=True)
    with open("q/active/" + name, "w", encoding="ascii") as f:
        f.write(text)
    os.utime("q/active/" + name, (time.time() - age_s,) * 2)


def test_ours_to_peer():
    submit(b"twenty-seven bytes of spam\n", "--priority", "7", "--meta",
           "rcpt=b@example.net", "--meta", "from=a@example.org")
    job = Peer("q").pickup()
    equal((job.data(), job.metadata, job.own[b"QDSB"]),
          (b"twenty-seven bytes of spam\n",
           {b"rcpt": b"b@example.net", b"from": b"a@example.org"}, b"27"),
          "ours, taken by the peer")
    ok(re.match(r"07\.\d{20}\.[A-Za-z0-9+_]+\.\d+\.\d+$", job.name) is not None,
       "its name")
    ok(os.path.isabs(job.path), "the path of its data is absolute")
    job.finish()
    equal(files("q"), [], "nothing is left")


def test_peer_to_ours():
    name = Peer("q").enqueue(b"spam\0\r\n\xff", {b"k": b"v"}, 7)
    equal(listed()[name]["meta"], {"k": "v"}, "the peer's, as we list it")
    equal(take(), b"spam\0\r\n\xff", "taken by us")
    equal(files("q"), [], "nothing is left")


def test_order():
    peer = Peer("q")
    for i in range(20):
        if i % 2:
            peer.enqueue(b"%d" % i, priority=i * 7 % 5)
        else:
            submit(b"%d" % i, "--priority", str(i * 7 % 5))
    _, out = run("dq-list", "--dir", "q", "--null")
    names = [os.path.basename(p).decode() for p in out.split(b"\0")[:-1]]
    wanted = [peer.visit()[name][1] for name in names]
    priorities = [int(data) * 7 % 5 for data in wanted]
    equal((names, len(names), priorities),
          (peer.names(), 20, sorted(priorities)), "one order for both")
    got = []
    for i in range(20):
        if i % 2:
            got.append(take())
        else:
            job = peer.pickup()
            got.append(job.data())
            job.finish()
    equal((got, files("q")), (wanted, []), "in which both take them")


def test_values():
    options = []
    for key, value in ODD.items():
        options += [b"--meta", key + b"=" + value]
    submit(b"x", *options)
    peer = Peer("q")
    job = peer.pickup()
    equal(job.metadata == ODD, True, "odd keys and values, from us")
    job.finish()
    name = peer.enqueue(b"x", ODD)
    got = {k.encode("latin-1"): v.encode("latin-1")
           for k, v in listed()[name]["meta"].items()}
    equal(got == ODD, True, "and to us")
    take()


def test_sizes():
    peer = Peer("q")
    for size in (0, 1, 65535, 65536, 65537, 20000000):
        data = os.urandom(size)
        submit(data)
        job = peer.pickup()
        same = job.data() == data and int(job.own[b"QDSB"]) == size
        job.finish()
        peer.enqueue(data)
        ok(same and take() == data, "%d bytes, both ways" % size)


def test_peer_holds():
    peer = Peer("q")
    peer.enqueue(b"x")
    job = peer.pickup()
    equal(take(), None, "what the peer has is not for us")
    state = listed()[job.name]
    equal((state["state"], state["lock_host"], state["pid"]),
          ("active", HOST, os.getpid()), "who has it")
    job.give_back()
    equal(take(), b"x", "given back, it is")


def hold(code):
    """A dq-deque that has a job until something is written to go."""
    if not os.path.exists("go"):
        os.mkfifo("go")
    process = subprocess.Popen(
        [BUILD + "/dq-deque", "--dir", "q", "--", "sh", "-c",
         "read line <go; exit %d" % code],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: os.path.isdir("q/active") and os.listdir("q/active"),
             "held")
    return process


def let_go(process):
    with open("go", "w", encoding="ascii") as f:
        f.write("\n")
    process.wait(DEADLINE_S)


def test_we_hold():
    submit(b"x")
    process = hold(1)
    (name,) = os.listdir("q/active")
    peer = Peer("q")
    equal(peer.pickup(), None, "what we have is not for the peer")
    with open("q/active/" + name, encoding="ascii") as f:
        equal(f.read(), "%s\n%d\n" % (HOST, process.pid), "the lock says who")
    os.utime("q/queue", (1, 1))  # clocks of file systems go in steps
    got = []
    waiter = threading.Thread(target=lambda: got.append(peer.wait(DEADLINE_S)))
    waiter.start()
    let_go(process)
    waiter.join()
    ok(got[0] and got[0].data() == b"x", "given back: a peer that waits sees it")
    got[0].give_back()
    process = hold(0)
    os.kill(process.pid, signal.SIGSTOP)
    job_lock = "q/active/" + name
    os.unlink(job_lock)
    job = peer.pickup()
    os.kill(process.pid, signal.SIGCONT)
    let_go(process)
    equal((process.returncode, job.data(), os.path.exists(job_lock)),
          (111, b"x", True), "what was taken from us we leave alone")
    job.finish()


def test_stale_locks():
    peer = Peer("q")
    cases = (
        ("%s\n%d\n" % (HOST, DEAD_PID), 900, True, "dead, old"),
        ("%s\n%d\n" % (HOST, DEAD_PID), 500, False, "dead, not yet old"),
        ("%s\n%d\n" % (HOST, DEAD_PID), 5, False, "dead, new"),
        ("%s\n%d\n" % (HOST, DEAD_PID), -3600, False, "dead, from tomorrow"),
        ("%s\n1\n" % HOST, 5000, False, "alive, another's"),
        ("otherhost\n1\n", 86400, False, "another host's"),
        ("%s\n%d\n" % (HOST.swapcase(), DEAD_PID), 86400,
         HOST.swapcase() == HOST, "the host in other letters"),
        ("", 86400, True, "empty"),
        (HOST + "\n", 86400, True, "without a pid"),
        (HOST + "\nx\n", 86400, True, "with a pid that is none"),
    )
    for text, age_s, taken, name in cases:
        job = peer.enqueue(b"x")
        lock(job, text, age_s)
        equal(take(), b"x" if taken else None, "a lock: " + name)
        for path in files("q"):
            os.unlink("q/" + path)


def test_damage():
    peer = Peer("q")
    name = peer.enqueue(b"x")
    os.unlink(peer.pickup().path)
    os.unlink("q/active/" + name)
    equal((take(), os.listdir("q/active")), (None, []),
          "no data: not given, and no lock left")
    equal(listed()[name]["job"], name, "but listed")
    os.unlink("q/queue/" + name)
    name = peer.enqueue(b"data\n")
    with open("q/queue/" + name, "ab") as f:
        f.write(b"\n\nk: v\n\n")
    with open("q/data/" + name[-2] + "/" + name[-1] + "/" + name[:-2],
              "ab") as f:
        f.write(b"\n")
    equal(take(), b"data\n\n", "blank lines, and a longer file: as it is")


def test_paths():
    os.mkdir("elsewhere")
    name = Peer("q").enqueue(b"relative")
    os.chdir("elsewhere")
    try:
        code, out = run("dq-deque", "--dir", "../q", "cat")
    finally:
        os.chdir("..")
    equal((code, out), (0, b"relativefinished\n"),
          "a path that is relative to elsewhere")
    submit(b"absolute")
    path = os.path.abspath("q")
    os.chdir("/")
    job = Peer(path).pickup()
    os.chdir(os.path.dirname(path))
    equal(job.data(), b"absolute", "ours are absolute")
    job.finish()
    submit(b"one", "--priority", "1")
    submit(b"two", "--priority", "2")
    _, out = run("dq-list", "--dir", "q", "--null")
    second = out.split(b"\0")[1].decode()
    job = Peer("q").pickup(second)
    equal((job.data(), name == job.name), (b"two", False),
          "a path of our list, for the peer to take")
    job.finish()
    take()


def test_same_instant():
    peer = Peer("q")
    names = [peer.enqueue(b"%d" % i, now=1700000000000042) for i in range(3)]
    first = "50.20231114221320000042." + name_hash(HOST, os.getpid())
    ok(names[0] == first and all(n.startswith(first + ".%d." % os.getpid())
                                 for n in names[1:]), "names of one instant")
    equal(sorted([take(), take(), take()]), [b"0", b"1", b"2"],
          "are three jobs")
    equal(files("q"), [], "nothing is left")


def test_other_entries():
    peer = Peer("q")
    peer.enqueue(b"x")
    for folder in ("failed", "queue/9dir", "tmp/sub"):
        os.mkdir("q/" + folder)
    for name in ("queue/.x", "queue/foo"):
        with open("q/" + name, "wb"):
            pass
    os.symlink("nowhere", "q/queue/10.x")
    equal((take(), take()), (b"x", None), "what is no job is not taken")
    equal(files("q"), ["queue/.x", "queue/10.x", "queue/foo"],
          "and stays as it is")


def test_modes():
    for umask, mode in ((0o077, 0o600), (0o022, 0o640), (0o007, 0o640)):
        old = os.umask(umask)
        submit(b"x")
        os.umask(old)
        equal({os.stat("q/" + f).st_mode & 0o777 for f in files("q")}, {mode},
              "umask %03o: files %03o" % (umask, mode))
        equal(os.stat("q/data").st_mode & 0o777, 0o777 & ~umask,
              "directories %03o" % (0o777 & ~umask))
        take()
        for folder in ("data", "queue", "tmp", "active"):
            subprocess.run(["rm", "-r", "q/" + folder], check=True)


def test_waiting():
    """Our worker waits for what the peer does, and the other way round."""
    os.mkdir("q/queue")
    peer = Peer("q")
    server = subprocess.Popen([BUILD + "/dq-server", "--dir", "q", "cat"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    for i in range(5):
        peer.enqueue(b"%d\n" % i)
        wait_for(lambda: not peer.names(), "our worker sees the peer's job")
    name = peer.enqueue(b"held\n")
    job = peer.pickup()
    while not job:  # the server may have been faster
        peer.enqueue(b"held\n")
        job = peer.pickup()
    job.give_back()
    wait_for(lambda: not peer.names(), "our worker sees what is given back")
    server.send_signal(signal.SIGTERM)
    out, _ = server.communicate(timeout=DEADLINE_S)
    ok(out.count(b"finished\n") >= 6 and b"held\n" in out,
       "all were done (%s)" % name[:2])
    for i in range(10):
        os.utime("q/queue", (1, 1))
        timer = threading.Timer(0.02 * (i % 3), submit, [b"%d" % i])
        timer.start()
        job = peer.wait(DEADLINE_S, 0.01)
        timer.join()
        if not job or job.data() != b"%d" % i:
            ok(False, "the peer waits for job %d" % i)
            return
        job.finish()
    ok(True, "the peer sees each of ours")


def drain(unordered):
    """Two workers of each kind while two writers of each kind write."""
    writers = [subprocess.Popen([sys.executable, PEER, "enqueue", "q", "75"])
               for _ in range(2)]
    stream = b"".join(
        b"MAIL FROM:<a@b>\nRCPT TO:<c@d>\nBDAT %d LAST\n%s" % (len(b), b)
        for b in (b"ours %d\n" % i for i in range(150)))
    sink = subprocess.Popen([BUILD + "/deliver-dirqueue", "q"],
                            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)
    sink.stdin.write(stream)
    sink.stdin.close()
    writers.append(sink)
    options = [] if unordered else ["-o"]
    ours = [subprocess.Popen([BUILD + "/dq-run", *options, "-j2", "q",
                              BUILD + "/deliver-command", "sh", "-c",
                              "cat >>ours.$$; echo >>ours.$$"],
                             stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL) for _ in range(2)]
    wait_for(lambda: os.path.isdir("q/queue") and os.path.isdir("q/active"),
             "begun")
    extra = ["0", "unordered"] if unordered else []
    theirs = [subprocess.Popen([sys.executable, PEER, "drain", "q", *extra],
                               stdout=subprocess.PIPE) for _ in range(2)]
    for writer in writers:
        writer.wait(60)
    wait_for(lambda: not os.listdir("q/queue"), "drained")
    lines = b"".join(p.communicate(timeout=60)[0] for p in theirs)
    for worker in ours:
        worker.send_signal(signal.SIGTERM)
        worker.wait(DEADLINE_S)
    taken = lines.count(b"\n")
    for name in os.listdir("."):
        if name.startswith("ours."):
            with open(name, "rb") as f:
                lines += f.read()
            os.unlink(name)
    bodies = [line for line in lines.split(b"\n") if line]
    equal((len(bodies), len(set(bodies)), files("q")), (300, 300, []),
          "300 jobs by four writers, each done once by four workers%s"
          % (", the peers unordered" if unordered else ""))
    print("# %d of them by the peer" % taken)


def test_together():
    drain(False)
    drain(True)


def main():
    tests = [value for name, value in sorted(globals().items())
             if name.startswith("test_")]
    with Top() as top:
        for test in tests:
            os.mkdir(test.__name__)
            os.chdir(test.__name__)
            os.mkdir("q")
            test()
            os.chdir(top)
    done()


main()
