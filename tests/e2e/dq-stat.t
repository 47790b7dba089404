#!/usr/bin/env python3
"""dq-stat: its numbers, its forms, and that it leaves all alone."""
import os
import re
import shlex
import shutil
import subprocess
import sys
import time

LIB = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib")
sys.path.insert(0, LIB)
import dirqueue as d

PROGRAM = os.path.join(d.BUILD, "dq-stat")


def run(*arguments):
    result = subprocess.run([PROGRAM, *arguments], check=False,
                            capture_output=True, timeout=d.DEADLINE_S)
    return result.returncode, result.stdout.decode(), result.stderr.decode()


def numbers(line):
    return dict(field.split("=", 1) for field in shlex.split(line))


def put(directory, name):
    os.makedirs("q/" + directory, exist_ok=True)
    with open("q/%s/%s" % (directory, name), "wb"):
        pass


def name_of(age_s, priority=50):
    when = time.strftime("%Y%m%d%H%M%S", time.gmtime(time.time() - age_s))
    return "%02d.%s000000.DNDg0.1.00001" % (priority, when)


def fill():
    for i in range(3):
        d.enqueue("q", b"x" * (10 + i), priority=70)
    active = d.enqueue("q", b"y" * 100)
    put("active", active)
    put("active", "50.orphan")
    put("deferred", "001795218000.50.1")
    put("deferred", "001795218000.50.2")
    put("failed", "50.3")
    put("queue", "foo")
    os.mkdir("q/queue/9")


def test_lines():
    fill()
    put("queue", name_of(5000, 99))
    before = d.files("q")
    code, out, err = run("q")
    got = numbers(out)
    d.equal((code, err), (0, ""), "a queue")
    oldest = int(got.pop("oldest"))
    d.ok(4990 < oldest < 5000 + d.DEADLINE_S, "oldest, of whatever priority")
    d.equal(got, {"waiting": "4", "active": "1", "deferred": "2",
                  "failed": "1", "bytes": "133", "queue": "q"}, "the numbers")
    d.equal(d.files("q"), before, "nothing is made")
    put("queue", "7")
    os.utime("q/queue/7", (1, time.time() - 9000))
    d.ok(int(numbers(run("q")[1])["oldest"]) > 8990,
         "oldest by mtime where the name says nothing")


def test_several():
    fill()
    os.mkdir("an empty\\\n\u00e9 one")
    code, out, err = run("q", "none", "an empty\\\n\u00e9 one")
    lines = out.splitlines()
    d.equal(code, 111, "a queue that is not there: 111")
    d.ok("unable to count none" in err, "... and it is named")
    d.equal([numbers(line)["waiting"] for line in lines], ["3", "0"],
            "... the others are counted")
    d.ok(lines[1].endswith('queue="an empty\\x5c\\x0a\\xc3\\xa9 one"'),
         "a name does nothing to a terminal")
    d.equal(os.listdir("an empty\\\n\u00e9 one"), [], "it stays empty")


def test_table():
    fill()
    code, out, _ = run("-t", "-w", "1", "q", "q/queue")
    lines = out.splitlines()
    d.equal((code, len(lines)), (0, 3), "-t: a heading and a line for each")
    d.equal(lines[0].split(), ["waiting", "active", "deferred", "failed",
                               "bytes", "oldest", "in/s", "out/s", "queue"],
            "-t: the heading")
    fields = lines[1].split()
    d.equal(fields[:5] + fields[6:], ["3", "1", "2", "1", "133", "0.000",
                                      "0.000", "q"], "-t: a line")


def ageless(text):
    """A second may have gone by between two looks."""
    return re.sub(r"(_oldest\S*) \d+$", r"\1 N", text, flags=re.M)


def test_metrics():
    fill()
    os.rename("q", 'q"\\\n\u00e9')
    code, out, _ = run("-p", 'q"\\\n\u00e9')
    d.equal(code, 0, "-p")
    label = 'queue="q\\"\\\\\\n\\\\xc3\\\\xa9"'
    for line in ('trapline_queue_jobs{%s,state="waiting"} 3' % label,
                 'trapline_queue_jobs{%s,state="active"} 1' % label,
                 'trapline_queue_jobs{%s,state="deferred"} 2' % label,
                 'trapline_queue_jobs{%s,state="failed"} 1' % label,
                 "trapline_queue_bytes{%s} 133" % label,
                 "# TYPE trapline_queue_jobs gauge"):
        d.ok(line in out.splitlines(), "-p: " + line)
    sample = re.compile(r'[a-z_]+\{queue="(?:[^"\\\n]|\\["\\n])*"'
                        r'(,state="[a-z]+")?\} \d+$')
    d.equal([line for line in out.splitlines()
             if not line.startswith("# ") and not sample.match(line)], [],
            "-p: every line is a sample")
    d.ok("per_second" not in out, "-p: no rates without -w")
    twice = run("-p", *['q"\\\n\u00e9'] * 2)[1]
    d.equal(ageless(twice), ageless(out),
            "-p: a queue that is named twice comes once")


def is_watching(process):
    for fd in os.listdir("/proc/%d/fdinfo" % process.pid):
        try:
            with open("/proc/%d/fdinfo/%s" % (process.pid, fd),
                      encoding="ascii") as info:
                if "inotify wd" in info.read():
                    return True
        except FileNotFoundError:
            pass  # it was just closed
    return False


def watch(window_s):
    """What is said of a window with 41 arrivals and 20 departures, how long it
    was at most, and whether they were all in it: the program is asked which
    watch it has, so that none comes before."""
    d.enqueue("q", b"x")
    began = time.monotonic()
    with subprocess.Popen([PROGRAM, "-p", "-w", str(window_s), "q"],
                          stdout=subprocess.PIPE) as process:
        d.wait_for(lambda: is_watching(process), "a watch")
        for i in range(40):
            name = d.enqueue("q", b"x")
            if i % 2:
                os.unlink("q/queue/" + name)
        os.mkdir("q/deferred")
        os.rename("q/queue/" + d.enqueue("q", b"x"), "q/deferred/1.x")
        in_time = time.monotonic() - began < window_s
        out = process.communicate(timeout=d.DEADLINE_S)[0].decode()
    return out, time.monotonic() - began, in_time


def test_rates():
    for window_s in (2, 10, 50):  # the next one if the machine is too busy
        out, most_s, in_time = watch(window_s)
        if in_time:
            break
        shutil.rmtree("q")
    rates = [float(line.split()[-1]) for line in out.splitlines()
             if "per_second{" in line]
    d.ok(len(rates) == 2 and
         41 / most_s - 0.1 < rates[0] < 41 / window_s + 0.001 and
         abs(rates[1] / rates[0] - 20 / 41) < 0.01,
         "-w: what came and went: %s" % rates)
    d.ok('state="waiting"} 21' in out and 'state="deferred"} 1' in out,
         "-w: numbers of the end")


def test_usage():
    for arguments in ((), ("-x", "q"), ("-t", "-p", "q"), ("-w", "0", "q"),
                      ("-w", "x", "q"), ("-w", "86401", "q")):
        code, out, err = run(*arguments)
        d.equal((code, out, "dq-stat: usage: " in err), (100, "", True),
                "wrong usage: " + " ".join(arguments))


for test in (test_lines, test_several, test_table, test_metrics, test_rates,
             test_usage):
    with d.Top():
        test()
d.done()
