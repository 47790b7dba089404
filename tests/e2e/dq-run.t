#!/usr/bin/env python3
"""dq-run(8): what becomes of jobs, and whose they are."""
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time

LIB = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib")
sys.path.insert(0, LIB)
import dirqueue as d

DQ_RUN = os.path.join(d.BUILD, "dq-run")
SINK_DQ = os.path.join(LIB, "dq-sink")
# No process that is traced can look for leaks.
TRACED = dict(os.environ, ASAN_OPTIONS="detect_leaks=0")


class Worker:
    """A running dq-run, its pipeline dq-sink unless told otherwise."""

    def __init__(self, queue, *options, pipeline=None, wrap=(), env=None):
        self.record = "record"
        self.log_path = "log.%d" % d.made_workers
        d.made_workers += 1
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [*wrap, DQ_RUN, *options, queue, *(pipeline or [SINK_DQ, "record"])],
                stderr=log, env=env)

    def log(self):
        with open(self.log_path, encoding="ascii") as log:
            return log.read()

    def says(self, text):
        return d.wait_for(lambda: text in self.log(), "log: " + text)

    def end(self):
        self.process.terminate()
        code = self.process.wait(d.DEADLINE_S)
        return code


d.made_workers = 0


def recorded(path="record"):
    try:
        with open(path, "rb") as file:
            return file.read().decode().splitlines()
    except FileNotFoundError:
        return []


def names(queue, directory="queue"):
    try:
        return sorted(os.listdir(os.path.join(queue, directory)))
    except FileNotFoundError:
        return []


def is_empty(queue):
    """No file but those of a worker that runs."""
    return not [file for file in d.files(queue)
                if not file.startswith("tmp/lock")]


def output(program, *arguments):
    return subprocess.run([d.BUILD + "/" + program, *arguments],
                          stdout=subprocess.PIPE, check=False,
                          timeout=d.DEADLINE_S).stdout.decode()


def test_order():
    bodies = []
    for i, priority in enumerate((50, 10, 90, 30, 70, 5)):
        d.enqueue("q", b"%d %d\n" % (priority, i), priority=priority)
        bodies.append((priority, "%d %d" % (priority, i)))
    worker = Worker("q", "-o")
    d.wait_for(lambda: len(recorded()) == 6, "six jobs")
    d.equal(recorded(), [body for _, body in sorted(bodies)],
            "-o: by priority")
    d.wait_for(lambda: is_empty("q"), "empty")
    d.equal(worker.end(), 0, "SIGTERM when idle: exit 0")
    lines = worker.log().splitlines()
    d.equal((lines[0], lines[-1]), ("dq-run: started queue=q jobs=1",
                                    "dq-run: stopped"), "both are logged")
    d.equal(d.files("q"), [], "no file is left")
    for i in range(20):
        d.enqueue("q", b"any %d\n" % i)
    worker = Worker("q", "-j", "3", "-i", "600")
    d.wait_for(lambda: is_empty("q"), "empty")
    d.equal(sorted(recorded()[6:]), sorted("any %d" % i for i in range(20)),
            "any order: each once")
    d.enqueue("q", b"while idle\n")
    d.ok(d.wait_for(lambda: "while idle" in recorded(), "wakes up"),
         "by inotify, not by the rescan")
    worker.end()


def test_order_of_arrivals():
    """What comes in while a job is in hand is put in its place."""
    d.enqueue("q", b"wait go\n", priority=1)
    for priority in (60, 40):
        d.enqueue("q", b"at %d\n" % priority, priority=priority)
    worker = Worker("q", "-o")
    d.wait_for(lambda: names("q", "active"), "in hand")
    for priority in (50, 30, 70):
        d.enqueue("q", b"at %d\n" % priority, priority=priority)
    with open("go", "w"):
        pass
    d.wait_for(lambda: is_empty("q"), "empty")
    d.equal(recorded(), ["wait go", "at 30", "at 40", "at 50", "at 60",
                         "at 70"], "-o: arrivals in their place")
    worker.end()


def test_stream():
    """The job comes as it once went in; others' jobs with defaults."""
    d.enqueue("q", b"ours\n", {
        "ip": "192.0.2.9", "helo": "a b", "proto": "ESMTP",
        "mail_from": "a@b.example", "rcpt_to": "c@d\te@f", "note": "ham spam",
        "session": "s1", "time": "t", "score": "7", "queued": "no",
        "dq.tries": "3"}, priority=1)
    d.enqueue("q", b"theirs\n", {"from": "x", "k k": "v"}, priority=2)
    worker = Worker("q", "-o", "-R", "me@here")
    d.wait_for(lambda: is_empty("q"), "empty")
    worker.end()
    seen = recorded("record.seen")
    d.equal([line for line in seen if "XCLIENT" not in line][:7],
            ["XNOTE session=s1", "XNOTE score=7", "MAIL FROM:<a@b.example>",
             "RCPT TO:<c@d> NOTE=ham NOTE=spam",
             "RCPT TO:<e@f> NOTE=ham NOTE=spam", "BDAT 5 LAST",
             "XNOTE session=" + seen[-5].split("=")[1]], "our job's stream")
    d.ok("ADDR=192.0.2.9" in seen[0] and "HELO=a+20b" in seen[0],
         "its client")
    d.ok("ADDR=[UNAVAILABLE]" in seen[7], "a job without our keys: no client")
    d.equal(seen[-4:], ["XNOTE from=x", "MAIL FROM:<>", "RCPT TO:<me@here>",
                        "BDAT 7 LAST"], "... no sender, -R's recipient")


def test_answers():
    d.enqueue("q", b"answer 554 a\n")
    d.enqueue("q", b"late 3 b\n")
    d.enqueue("q", b"two\n", {"rcpt_to": "x@y\t450@y\t550@y"})
    stay = d.enqueue("q", b"answer 451 c\n", {"ip": "192.0.2.1", "Key": "v"})
    die = d.enqueue("q", b"die\n")
    d.enqueue("q", b"good\n")
    worker = Worker("q", "-j", "2", "-b", "1", "-B", "1", "-n", "3",
                    "-r", "refused")
    d.wait_for(lambda: recorded().count("late 3 b") == 1, "the third try")
    d.ok("late 3 b" in recorded() and os.path.getsize("record.b") == 3,
         "4xx: tried until it was 2xx")
    d.wait_for(lambda: len(names("q", "failed")) == 3 and "good" in recorded()
               and names("q", "refused"), "three have failed")
    d.equal(worker.end(), 0, "exit 0")
    d.equal(names("q"), [], "nothing in the queue")
    d.equal(names("q", "deferred"), [], "nor in deferred")
    refused = [d.control_of("q/refused/" + name)
               for name in names("q", "refused")]
    d.equal([job.get("dq.failed") for job in refused], ["554 said so"],
            "5xx: moved to -r's directory, with the reason")
    failed = d.control_of("q/failed/" + stay)
    d.equal([failed.get(key) for key in
             ("dq.tries", "dq.last", "dq.failed", "ip", "Key")],
            ["3", "451 said so", "too many tries: 451 said so", "192.0.2.1",
             "v"], "4xx after the last try: failed, with the reason")
    d.equal(open(failed["QDFN"], "rb").read(), b"answer 451 c\n",
            "and its data stays")
    d.ok("a stage ended" in d.control_of("q/failed/" + die)["dq.last"],
         "a pipeline that failed")
    partly = [d.control_of("q/failed/" + name)
              for name in names("q", "failed")]
    d.ok("550@y\t450@y" in [job.get("rcpt_to") for job in partly],
         "failed for those that are not done, with -r the refused ones too")
    d.equal(recorded().count("two"), 1, "nor do they get it again")
    d.ok("good" in recorded(), "and other jobs go on")


def test_hang():
    """Alone: -t is a second, in which others may not get their answer."""
    name = d.enqueue("q", b"hang\n")
    worker = Worker("q", "-t", "1", "-n", "1")
    d.wait_for(lambda: names("q", "failed"), "it has failed")
    d.equal(worker.end(), 0, "exit 0")
    d.ok("no answer in time" in d.control_of("q/failed/" + name)["dq.last"],
         "a pipeline that hangs")


def test_recipients():
    """Each recipient of a job is tried for as long as it is of use."""
    d.enqueue("q", b"late 2 r\n", {"rcpt_to": "x@y\t550@y"})
    worker = Worker("q", "-b", "1")
    d.wait_for(lambda: is_empty("q"), "done")
    worker.end()
    d.equal(recorded("record.seen").count("RCPT TO:<550@y>"), 1,
            "a refused recipient is not asked for again")
    d.ok("recipient refused job=" in worker.log() and
         "recipient=550@y" in worker.log(), "the log has it")
    d.ok("finished job=" in worker.log(), "the others' try goes on")
    d.enqueue("q", b"late 2 s\n", {"rcpt_to": "x@y\t550@z"})
    worker = Worker("q", "-b", "1", "-r", "no")
    d.wait_for(lambda: names("q", "no"), "moved")
    worker.end()
    d.equal(recorded("record.seen").count("RCPT TO:<550@z>"), 1,
            "-r: nor then")
    d.equal(d.control_of("q/no/" + names("q", "no")[0])["rcpt_to"], "550@z",
            "-r: moved for the refused one alone")


def move_while_locked(delay_s):
    """Move a job between its worker's look and lock, which strace holds up for
    so long; the job, the worker, and whether that was long enough."""
    name = d.enqueue("q", b"moved\n")
    worker = Worker("q", "-i", "600", wrap=[
        "strace", "-D", "-qq", "-o", "calls", "-e", "trace=openat,linkat,unlinkat",
        "-e", "inject=linkat:delay_enter=%d" % (delay_s * 1000000)], env=TRACED)
    opened = '"%s", O_RDONLY' % name
    d.wait_for(lambda: os.path.exists("calls") and any(
        f.startswith("lock") for f in names("q", "tmp")), "opened")
    with open("calls", encoding="utf-8") as calls:
        d.ok(opened in calls.read(), "the control file is open")
    os.makedirs("q/deferred", exist_ok=True)
    try:
        os.rename("q/queue/" + name, "q/deferred/999999999999." + name)
    except FileNotFoundError:  # it is done
        return name, worker, False
    return name, worker, not names("q", "active")


def test_moved():
    """A job that another worker put aside just before it was locked here."""
    for delay_s in (1, 5, 25):
        name, worker, in_time = move_while_locked(delay_s)
        if in_time:
            break
        worker.end()
        shutil.rmtree("q")
        os.mkdir("q")
        for path in ("calls", "record"):
            if os.path.exists(path):
                os.unlink(path)
    d.wait_for(lambda: open("calls", encoding="utf-8").read().count(
        'unlinkat(') and not names("q", "active"), "locked and let go")
    d.equal(worker.end(), 0, "ends")
    d.equal(recorded(), [], "a job that is put aside is not taken")
    d.equal(names("q", "deferred"), ["999999999999." + name], "it stays there")


def test_settled():
    """A sink that told of all recipients, and was gone before it answered."""
    d.enqueue("q", b"told\n", {"rcpt_to": "x@y\tz@y"})
    worker = Worker("q", "-b", "1")
    worker.says("pipeline broken")
    d.wait_for(lambda: is_empty("q"), "empty")
    worker.end()
    d.equal(recorded(), ["told"], "nobody gets the message twice")


def test_fan_barred():
    """Another user's directory of fan-out, which must not be read."""
    if os.geteuid():
        d.skip("the other jobs are taken", "needs root")
        return
    d.enqueue("q", b"barred\n", place="3")
    for i, place in enumerate(("", "5")):
        d.enqueue("q", b"read %d\n" % i, place=place)
    os.chmod(".", 0o777)
    subprocess.run(["chown", "-R", "nobody", "q"], check=True)
    os.chmod("q/queue/3", 0)
    worker = Worker("q", "-i", "1", pipeline=[SINK_DQ, "record"],
                    wrap=["setuidgid", "nobody"])
    d.wait_for(lambda: len(recorded()) == 2, "the other two")
    d.equal(sorted(recorded()), ["read 0", "read 1"],
            "the other jobs are taken")
    worker.says("jobs left alone name=3")
    d.equal(worker.log().count("jobs left alone name=3 reason=\"not permitted"),
            1, "that one is reported, once")
    os.chmod("q/queue/3", 0o700)
    d.wait_for(lambda: len(recorded()) == 3, "the third")
    d.equal(recorded()[2], "barred", "and taken once it may be")
    worker.end()


def test_fan_out():
    """Control files in queue/0 to queue/f."""
    order = []
    for i, place in enumerate(("", "e", "0", "", "9")):
        d.enqueue("q", b"fan %d\n" % i, priority=90 - i, place=place)
        order.insert(0, "fan %d" % i)
    d.equal(output("dq-list", "--dir", "q", "--count"),
            "Jobs: active: 0  queued: 5\n", "dq-list counts them")
    d.equal(len(re.findall("q/queue/[e09]/", output(
        "dq-list", "--dir", "q", "--null"))), 3, "... and has their paths")
    d.ok(re.search("waiting=5 ", output("dq-stat", "q")), "dq-stat too")
    d.equal(output("dq-fsck", "q"),
            "findings=0 fixed=0 left=0\n", "dq-fsck finds no fault")
    d.equal(output("dq-expire", "-n", "-c", "3", "q").count("would expire"), 2,
            "dq-expire would expire them")
    worker = Worker("q", "-o", "-b", "1", "-i", "600")
    d.wait_for(lambda: is_empty("q"), "empty")
    d.equal(recorded(), order, "dq-run: in order")
    for place in "c9":
        d.enqueue("q", b"late 2 %s\n" % place.encode(), place=place)
    d.wait_for(lambda: len(recorded()) == 7, "wakes up by inotify")
    d.wait_for(lambda: is_empty("q"), "empty")
    worker.end()
    d.equal(d.files("q"), [], "no file is left")
    d.enqueue("q", b"deque\n", place="d")
    d.equal(output("dq-deque", "--dir", "q", "cat"), "deque\nfinished\n",
            "dq-deque")
    d.equal(d.files("q"), [], "finishes it")
    name = d.enqueue("q", b"x", QDSB=9, place="d")
    output("dq-fsck", "-y", "q")
    d.equal(names("q", "failed"), [name], "dq-fsck -y puts one aside")


def test_dropped():
    d.enqueue("q", b"answer 554\n")
    worker = Worker("q")
    worker.says("refused job=")
    d.wait_for(lambda: is_empty("q"), "empty")
    d.ok('to=nowhere answer="554 said so"' in worker.log(),
         "5xx: dropped, with a log line")
    worker.end()


def test_deferred():
    """A deferred job is out of others' view, and comes back by itself."""
    name = d.enqueue("q", b"late 2 d\n")
    worker = Worker("q", "-b", "3600")
    worker.says("deferred job=")
    d.wait_for(lambda: names("q", "deferred"), "in deferred")
    d.wait_for(lambda: not names("q", "active"), "unlocked")
    d.equal(names("q"), [], "a deferred job is not in the queue")
    where = names("q", "deferred")[0]
    d.ok(where.endswith("." + name) and
         abs(int(where[:12]) - time.time() - 3600) < 60, "its name says when")
    worker.end()
    os.rename("q/deferred/" + where, "q/deferred/%012d.%s" % (1, name))
    worker = Worker("q")
    d.wait_for(lambda: is_empty("q"), "empty")
    d.equal(recorded(), ["late 2 d"], "when it is due another worker does it")
    worker.end()


def test_same_tick():
    """Another worker defers a job in the tick in which this one has looked."""
    later = d.enqueue("q", b"later\n")
    one = d.enqueue("q", b"one\n")
    os.makedirs("q/deferred")
    os.mkdir("aside")
    os.rename("q/queue/" + later, "q/deferred/999999999999." + later)
    os.rename("q/queue/" + one, "aside/" + one)
    tick = time.time() + 3600
    os.utime("q/deferred", (tick, tick))
    worker = Worker("q", "-i", "1")
    d.enqueue("q", b"two\n")
    d.wait_for(lambda: "two" in recorded(), "it has looked")
    os.rename("aside/" + one, "q/deferred/000000000001." + one)
    os.utime("q/deferred", (tick, tick))
    d.wait_for(lambda: "one" in recorded(), "it looks again")
    d.equal(names("q", "deferred"), ["999999999999." + later],
            "a job deferred in the same tick is found")
    worker.end()


def test_damaged():
    with open("victim", "wb") as file:
        file.write(b"v")
    victim = os.path.abspath("victim")
    gone = d.enqueue("q", b"x", QDFN=os.path.abspath("q/data/z/z/gone"))
    d.enqueue("q", b"short", QDSB=6)
    d.enqueue("q", b"x", QDFN=victim)
    d.enqueue("q", b"x", QDFN="q/data/a/b/../../../../victim")
    os.makedirs("q/data/l", exist_ok=True)
    os.symlink(os.getcwd(), "q/data/l/l")
    d.enqueue("q", b"x", QDFN=os.path.abspath("q/data/l/l/victim"))
    os.makedirs("q/data/m/m", exist_ok=True)
    os.symlink(victim, "q/data/m/m/v")
    d.enqueue("q", b"x", QDFN=os.path.abspath("q/data/m/m/v"))
    d.enqueue("q", b"x", QDFN=None)
    for i, text in enumerate((b"", b"\0" * 200, b"QDFN: /x/da", b"\xff: \n",
                              b"QDFN: " + b"a" * 300000 + b"\n",
                              b"a" * 1100000, b"k: v\n" + b"x: \n" * 2000,
                              b"".join(b"%d: \n" % i for i in range(3000)))):
        d.put_control("q", "50.bad%d" % i, text)
    relative = d.enqueue("q", b"relative\n")
    os.makedirs("elsewhere", exist_ok=True)
    control = d.control_of("q/queue/" + relative)
    path = os.path.relpath(control["QDFN"], os.getcwd())
    os.unlink("q/queue/" + relative)
    d.put_control("q", relative, b"QDFN: elsewhere/%s\nQDSB: 9\n" %
                  path.encode())
    d.enqueue("q", b"good\n", QDSB=None, QSTT=None, QSTM=None, QSHN=None)
    os.symlink("nowhere", "q/queue/10.dangling")
    os.mkdir("q/queue/5")
    worker = Worker("q")
    d.wait_for(lambda: len(recorded()) == 2, "the good ones")
    d.equal(sorted(recorded()), ["good", "relative"], "good jobs are done")
    d.wait_for(lambda: worker.log().count("damaged job") == 15, "reports")
    d.equal(worker.log().count("damaged job left alone"), 15,
            "each damaged job is reported")
    d.ok(gone + ' reason="data file is gone"' in worker.log(), "and how")
    d.wait_for(lambda: len(names("q")) == 17, "the good ones gone")
    d.wait_for(lambda: not names("q", "active"), "unlocked")
    d.enqueue("q", b"more\n")
    d.wait_for(lambda: "more" in recorded(), "one more")
    worker.end()
    d.equal(worker.log().count("damaged job left alone"), 15, "said once")
    with open("victim", "rb") as file:
        d.equal(file.read(), b"v", "a file elsewhere is not touched")
    d.ok("dq-run: fatal" not in worker.log() and
         not [line for line in recorded() if line.startswith("v")],
         "nor sent")


def test_locks():
    """Who has a lock has the job; a stale one is taken over."""
    host = os.uname().nodename
    held = d.enqueue("q", b"held\n")
    d.lock("q", held)
    young = d.enqueue("q", b"young\n")
    d.lock("q", young, pid=d.DEAD_PID, age=500)
    alive = d.enqueue("q", b"alive\n")
    d.lock("q", alive, age=90000)
    remote = d.enqueue("q", b"remote\n")
    d.lock("q", remote, host="other" + host, pid=d.DEAD_PID, age=90000)
    stale = d.enqueue("q", b"stale\n")
    d.lock("q", stale, pid=d.DEAD_PID, age=900)
    empty = d.enqueue("q", b"empty\n")
    with open("q/active/" + empty, "wb"):
        pass
    os.utime("q/active/" + empty, (1, 1))
    worker = Worker("q", "-i", "600")
    d.wait_for(lambda: len(recorded()) == 2, "two")
    d.equal(sorted(recorded()), ["empty", "stale"],
            "stale and empty locks are taken over, others not")
    d.ok("took over a stale lock job=" + stale in worker.log(), "and it is said")
    d.wait_for(lambda: len(names("q")) == 4, "these gone")
    d.equal(names("q"), sorted([held, young, alive, remote]),
            "the others' jobs wait")
    os.unlink("q/active/" + held)
    d.wait_for(lambda: "held" in recorded(), "it is taken")
    d.equal(sorted(recorded()), ["empty", "held", "stale"],
            "a job that was given back is taken at once")
    worker.end()


def test_lost():
    """A job that another worker took over is left alone."""
    name = d.enqueue("q", b"wait go\n")
    worker = Worker("q")
    d.wait_for(lambda: names("q", "active"), "in hand")
    with open("q/active/" + name, encoding="ascii") as file:
        d.equal(file.read(), "%s\n%d\n" % (os.uname().nodename,
                                           worker.process.pid),
                "the lock names host and process")
    os.unlink("q/active/" + name)
    d.lock("q", name)
    with open("go", "w"):
        pass
    worker.says("lost: another worker has the job")
    d.equal((names("q"), names("q", "active")), ([name], [name]),
            "control file and lock are not touched")
    worker.end()


def test_heartbeat():
    name = d.enqueue("q", b"wait go\n")
    worker = Worker("q", "-l", "2")
    d.wait_for(lambda: names("q", "active"), "in hand")
    os.utime("q/active/" + name, (1, 1))
    d.ok(d.wait_for(lambda: os.stat("q/active/" + name).st_mtime > 1,
                    "touched"),
         "the lock of a job in hand is touched")
    with open("go", "w"):
        pass
    d.wait_for(lambda: is_empty("q"), "empty")
    worker.end()


def test_big():
    """Bodies of all sizes come through as they are."""
    rng = random.Random(3)
    wanted = {}
    for size in (0, 1, 65535, 65536, 65537, 5000000):
        body = rng.randbytes(size)
        wanted[size] = body
        d.enqueue("q", body)
    os.mkdir("out")
    worker = Worker("q", pipeline=[d.SINK, "out"])
    d.wait_for(lambda: is_empty("q"), "empty")
    worker.end()
    got = {len(data): data for _, data in d.jobs("out").values()}
    d.ok(got == wanted, "bodies of 0 to 5000000 bytes, byte for byte")


def test_descriptors():
    """Few of them: jobs of a hundred directories are done all the same."""
    for i in range(300):
        d.enqueue("q", b"%d\n" % i)
    for limit in ("32", "64"):
        worker = Worker("q", "-j", "2", wrap=("prlimit", "--nofile=" + limit))
        d.wait_for(lambda n=150 if limit == "32" else 0: len(names("q")) <= n,
                   limit + " descriptors: jobs done")
        worker.end()
        d.ok("damaged" not in worker.log(), limit + " descriptors: none is "
             "taken for damaged")
    d.equal(len(recorded()), 300, "each was done once")


def test_signals():
    d.enqueue("q", b"one\n")
    worker = Worker("q")
    d.wait_for(lambda: "one" in recorded(), "one")
    worker.process.send_signal(signal.SIGHUP)
    d.enqueue("q", b"two\n")
    d.wait_for(lambda: "two" in recorded(), "two")
    d.equal(len(recorded("record.pid")), 2, "SIGHUP: a new pipeline")
    d.enqueue("q", b"three\n")
    d.wait_for(lambda: "three" in recorded(), "three")
    d.equal(len(recorded("record.pid")), 2, "which is used again")
    d.wait_for(lambda: is_empty("q"), "empty")
    d.enqueue("q", b"wait go\n")
    d.wait_for(lambda: names("q", "active"), "in hand")
    other = d.enqueue("q", b"other\n")
    worker.process.terminate()
    with open("go", "w"):
        pass
    d.equal(worker.process.wait(d.DEADLINE_S), 0, "SIGTERM when busy: exit 0")
    d.ok("wait go" in recorded(), "the job in hand is finished")
    d.equal(names("q"), [other], "no other is begun")
    d.enqueue("q", b"hang\n", priority=1)
    worker = Worker("q", "-o", "-g", "1")
    d.wait_for(lambda: names("q", "active"), "in hand")
    d.equal(worker.end(), 0, "SIGTERM with a job that hangs: exit 0")
    d.equal(names("q", "active"), [], "it was given back")
    d.equal(len(names("q")), 2, "and waits")
    d.ok("given back job=" in worker.log(), "as the log says")
    for pid in recorded("record.pid"):
        d.ok(not os.path.exists("/proc/" + pid), "no stage is left")


def test_shared():
    """Two dq-run and a worker of the format's other implementation. Each has
    one before others may have more."""
    count = 240
    bodies = ["wait go %d" % i for i in range(3)]
    for body in bodies:
        d.enqueue("q", body.encode() + b"\n")
    workers = []
    for options, locks in ((("-j", "2"), 2), (("-o",), 3)):
        workers.append(Worker("q", *options))
        d.wait_for(lambda: len(names("q", "active")) == locks, "in hand")
    for i in range(count):
        d.enqueue("q", b"job %d\n" % i, priority=i % 100)
        bodies.append("job %d" % i)
    mine = []
    end = time.monotonic() + d.DEADLINE_S
    while time.monotonic() < end and names("q"):
        job = d.take("q")
        if job:
            mine.append(job[2].decode().strip())
            d.finish("q", job)
        with open("go", "w"):
            pass
    d.wait_for(lambda: is_empty("q"), "empty")
    for worker in workers:
        worker.end()
    d.equal(sorted(mine + recorded()), sorted(bodies),
            "each job once, whoever did it")
    d.ok(mine and all("finished job=" in w.log() for w in workers),
         "all three took some")
    d.ok(not any("lost" in w.log() for w in workers), "none was lost")


def age_locks():
    """As if ten minutes and more had gone by."""
    for name in names("q", "active"):
        try:
            os.utime("q/active/" + name, (time.time() - 900,) * 2)
        except FileNotFoundError:
            pass


def test_kill():
    count = 300
    rng = random.Random(7)
    for i in range(count):
        d.enqueue("q", b"late 2 k%d\n" % i if i % 50 == 0 else
                  b"job %d\n" % i)
    kills = 0
    end = time.monotonic() + d.DEADLINE_S
    while (names("q") or names("q", "deferred")) and time.monotonic() < end:
        worker = Worker("q", "-j", "2", "-b", "1")
        before = len(recorded())
        wanted = before + rng.randrange(1, 40)
        while (len(recorded()) < wanted and time.monotonic() < end and
               (names("q") or names("q", "deferred"))):
            time.sleep(0.001)
        time.sleep(rng.random() / 500)
        worker.process.kill()
        worker.process.wait()
        kills += 1
        age_locks()
    done = set(recorded())
    d.equal(len(done), count, "kill -9, %d times: no job is lost" % kills)
    d.ok(len(recorded()) <= count + 2 * kills, "few are done twice")
    d.equal(names("q"), [], "none waits")


def test_gone():
    """The queue is away for a while, and then its directories."""
    d.enqueue("q", b"1\n")
    worker = Worker("q", "-i", "1")
    worker.says("finished")
    os.rename("q", "away")
    worker.says("storage failed action=open path=q error=\"No such file or "
                "directory\" advice=\"make the directory, or correct its path\"")
    os.rename("away", "q")
    d.enqueue("q", b"2\n")
    d.wait_for(lambda: worker.log().count("finished") == 2, "it is back")
    shutil.rmtree("q/active")
    shutil.rmtree("q/tmp")
    d.enqueue("q", b"3\n")
    d.wait_for(lambda: worker.log().count("finished") == 3, "made again")
    d.ok("Bad file descriptor" not in worker.log(), "nothing else is said")
    d.equal(worker.end(), 0, "exit 0")


def test_usage():
    for arguments in ([], ["-j", "0", "q"], ["-r", "queue", "q"],
                      ["-r", "a/b", "q"], ["-R", "", "q"], ["-R", "a b", "q"],
                      ["-x", "q"]):
        d.equal(subprocess.run([DQ_RUN, *arguments], stderr=subprocess.DEVNULL,
                               check=False).returncode, 100,
                "usage: " + " ".join(arguments))
    result = subprocess.run([DQ_RUN, "missing", "true"], capture_output=True,
                            check=False)
    d.equal(result.returncode, 111, "a queue that is missing")
    d.ok(b"unable to open" in result.stderr, "is said")
    result = subprocess.run([DQ_RUN, "q"], capture_output=True, check=False)
    d.ok(result.returncode == 111 and b"control/pipeline" in result.stderr,
         "no pipeline")


def log_text():
    with open("log.file", encoding="ascii") as log:
        return log.read()


def test_pipeline_file():
    os.makedirs("control")
    with open("control/pipeline", "w", encoding="ascii") as file:
        file.write("cat\n'%s' record\n" % SINK_DQ)
    d.enqueue("q", b"through the file\n")
    with open("log.file", "wb") as log:
        process = subprocess.Popen([DQ_RUN, "q"], stderr=log)
    d.wait_for(lambda: is_empty("q"), "empty")
    d.equal(recorded(), ["through the file"], "stages of control/pipeline")
    for i, (stages, path) in enumerate((("'%s' other\n" % SINK_DQ, "other"),
                                        ("cat '\n", "other"),
                                        ("cat\n'%s' third\n" % SINK_DQ, "third"))):
        with open("control/pipeline", "w", encoding="ascii") as file:
            file.write(stages)
        process.send_signal(signal.SIGHUP)
        if "cat '" in stages:
            d.wait_for(lambda: "not renewed" in log_text(), "refused")
        d.enqueue("q", b"%d\n" % i)
        d.wait_for(lambda p=path, i=i: str(i) in recorded(p), "done with")
        d.ok(True, "SIGHUP: %r, done by the stages for %s" % (stages, path))
    d.ok('dq-run: error: not renewed, the old stages go on error="'
         'control/pipeline: stage 1: a quote' in log_text(), "as the log says")
    d.wait_for(lambda: is_empty("q"), "empty")
    process.terminate()
    process.wait()


def test_stopped():
    """Stopped until its time is over, but the answer is there when it goes on:
    once with -t, once with -g. Done again, the message would be doubled."""
    workers = []
    for queue, option in (("q", "-t"), ("p", "-g")):
        os.makedirs(queue, exist_ok=True)
        d.enqueue(queue, b"wait go\n")
        workers.append(Worker(queue, option, "8"))
        d.wait_for(lambda q=queue: names(q, "active"), "in hand")
    workers[1].process.terminate()
    time.sleep(0.2)  # it is to have read that
    for worker in workers:
        worker.process.send_signal(signal.SIGSTOP)
    with open("go", "w", encoding="ascii"):
        pass
    d.wait_for(lambda: len(recorded()) == 2, "both are done")
    time.sleep(8.1)
    for worker in workers:
        worker.process.send_signal(signal.SIGCONT)
    d.wait_for(lambda: "job=" in workers[0].log(), "an end")
    workers[0].end()
    workers[1].process.wait(d.DEADLINE_S)
    for queue, worker in zip("qp", workers):
        d.ok("finished job=" in worker.log(), queue + ": the answer counts")
        d.equal(d.files(queue), [], queue + ": nothing is left")


def test_dead_stage():
    """One that died while others worked on a job costs the next one no try."""
    with open("once", "w", encoding="ascii") as script:
        script.write("#!/usr/bin/env python3\n"
                     "import os\n"
                     "os.write(1, os.read(0, 65536))\n")
    os.chmod("once", 0o755)
    os.mkdir("control")
    with open("control/pipeline", "w", encoding="ascii") as file:
        file.write("./once\n'%s' record\n" % SINK_DQ)
    d.enqueue("q", b"wait go\n", priority=1)
    d.enqueue("q", b"two\n", priority=2)
    with open("log.file", "wb") as log:
        process = subprocess.Popen([DQ_RUN, "-o", "q"], stderr=log)
    d.wait_for(lambda: "stage ended stage=./once" in log_text(), "dead")
    with open("go", "w", encoding="ascii"):
        pass
    d.wait_for(lambda: log_text().count(" job=") >= 2, "both jobs")
    process.terminate()
    process.wait()
    d.equal((recorded(), names("q", "deferred")), (["wait go", "two"], []),
            "both are done at once")


def test_deaf_stage():
    """One that outlives its pipeline is killed in time, while nothing else
    wakes the worker."""
    with open("deaf", "w", encoding="ascii") as script:
        script.write("#!/usr/bin/env python3\n"
                     "import os, signal, time\n"
                     "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
                     "said = b''\n"
                     "while piece := os.read(0, 65536):\n"
                     "    said += piece\n"
                     "    if b'BDAT' in said:\n"
                     "        while not os.path.exists('go'):\n"
                     "            time.sleep(0.01)\n"
                     "        n = 1 + said.count(b'MAIL') + "
                     "said.count(b'RCPT')\n"
                     "        os.write(1, b'250 2.0.0 ok\\n' * n)\n"
                     "        said = b''\n"
                     "time.sleep(600)\n")
    with open("once", "w", encoding="ascii") as script:
        script.write("#!/usr/bin/env python3\n"
                     "import os\n"
                     "os.write(1, os.read(0, 65536))\n")
    for name in ("deaf", "once"):
        os.chmod(name, 0o755)
    os.mkdir("control")
    with open("control/pipeline", "w", encoding="ascii") as file:
        file.write("./once\n./deaf\n")
    d.enqueue("q", b"one\n")
    d.enqueue("q", b"two\n")
    with open("log.file", "wb") as log:
        process = subprocess.Popen([DQ_RUN, "-o", "-i", "3600", "q"],
                                   stderr=log)
    d.wait_for(lambda: "stage ended stage=./once" in log_text(), "dead")
    with open("go", "w", encoding="ascii"):
        pass
    d.wait_for(lambda: log_text().count("finished job=") == 2, "both jobs")
    process.terminate()
    process.wait()
    d.equal(d.files("q"), [], "the next one is done soon")


def test_start_fails():
    d.enqueue("q", b"x\n")
    worker = Worker("q", pipeline=["./no-such-program"])
    worker.says("unable to start a stage")
    d.wait_for(lambda: not names("q", "active"), "given back")
    d.ok(len(names("q")) == 1, "a job is not charged with it")
    worker.end()


def test_chatter():
    """A stage that never stops talking."""
    d.enqueue("q", b"x\n")
    worker = Worker("q", pipeline=["yes"])
    worker.says('deferred job=')
    d.ok('why="more comes out than went in"' in worker.log(),
         "a stage that talks without end is ended")
    worker.end()


def main():
    tests = [value for name, value in globals().items()
             if name.startswith("test_")]
    wanted = sys.argv[1:]
    for test in tests:
        if wanted and test.__name__[5:] not in wanted:
            continue
        with d.Top():
            os.mkdir("q")
            test()
    d.done()


main()
