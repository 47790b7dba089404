#!/usr/bin/env python3
"""10,000 jobs from one queue into another, while workers and their stages are
killed at random: none is lost."""
import os
import random
import signal
import subprocess
import sys
import time

sys.path.insert(0, "tests/e2e/lib")
from dirqueue import BUILD, Top, done, equal, files, ok  # noqa: E402

JOBS = int(os.environ.get("JOBS", "10000"))
KILLS = 60
END_S = 600


def fill():
    stream = b"".join(
        b"MAIL FROM:<a@b>\nRCPT TO:<c@d>\nBDAT %d LAST\n%s" % (len(b), b)
        for b in (b"%d\n" % i for i in range(JOBS)))
    subprocess.run([BUILD + "/deliver-dirqueue", "q"], input=stream, check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def start():
    return subprocess.Popen(
        [BUILD + "/dq-run", "-j4", "-i1", "-b1", "-B1", "-n1000", "q",
         BUILD + "/deliver-dirqueue", "done"], stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def stages(worker):
    try:
        with open("/proc/%d/task/%d/children" % (worker.pid, worker.pid),
                  encoding="ascii") as f:
            return [int(pid) for pid in f.read().split()]
    except OSError:
        return []


def age_locks():
    """Locks of those who have died become so old that they are taken over."""
    for name in os.listdir("q/active"):
        path = "q/active/" + name
        try:
            with open(path, encoding="ascii") as f:
                pid = int(f.read().split("\n")[1])
            if not os.path.exists("/proc/%d" % pid):
                os.utime(path, (time.time() - 1000,) * 2)
        except FileNotFoundError:
            pass


def kill(worker, is_stage):
    """The worker, or one of its stages, if it has any. Whether it was the
    worker."""
    of_worker = stages(worker)
    if of_worker and is_stage:
        try:
            os.kill(random.choice(of_worker), signal.SIGKILL)
        except ProcessLookupError:
            pass
        return False
    worker.kill()
    worker.wait()
    return True


def left():
    """Jobs that are not done."""
    return [name for folder in ("queue", "deferred", "failed")
            if os.path.isdir("q/" + folder)
            for name in os.listdir("q/" + folder)]


def work():
    """How many workers were killed."""
    workers = [start() for _ in range(2)]
    end = time.monotonic() + END_S
    killed = kills = 0
    while left() and time.monotonic() < end:
        time.sleep(random.uniform(0.002, 0.03))
        if kills < KILLS:
            i = random.randrange(2)
            kills += 1
            if kill(workers[i], killed > 2 and random.random() < 0.5):
                killed += 1
                workers[i] = start()
        age_locks()
    for worker in workers:
        worker.terminate()
    # one that has just been started may not yet expect it
    ok(all(worker.wait(60) in (0, -signal.SIGTERM) for worker in workers),
       "SIGTERM: all end")
    return killed


def main():
    seed = int(os.environ.get("SEED", random.randrange(1000000)))
    random.seed(seed)
    print("# SEED=%d" % seed)
    os.makedirs("q")
    os.makedirs("done")
    fill()
    killed = work()
    bodies = []
    for name in files("done"):
        if name.startswith("data/"):
            with open("done/" + name, "rb") as f:
                bodies.append(f.read())
    print("# %d workers were killed, %d jobs done %d times"
          % (killed, len(set(bodies)), len(bodies)))
    ok(killed > 2, "workers were killed")
    equal(left(), [], "all are done with")
    whole = {b"%d\n" % i for i in range(JOBS)}
    equal(len(whole - set(bodies)), 0, "none is lost")
    equal([b for b in set(bodies) - whole if b], [], "none is changed")
    debris = [n for n in files("q") if not n.startswith(("tmp/", "data/"))]
    equal([n for n in debris if not n.startswith("active/")], [],
          "what the dead have left is in tmp, data and active")


# Processes are killed, not the machine: memory will do, and is faster.
if os.access("/dev/shm", os.W_OK):
    os.environ["TMPDIR"] = "/dev/shm"
with Top():
    main()
done()
