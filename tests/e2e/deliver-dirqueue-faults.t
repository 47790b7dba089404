#!/usr/bin/env python3
# Each system call of deliver-dirqueue that changes something fails once, or is
# where the program is killed. What is in the queue then is a whole job or none,
# as the answer says; what was refused leaves no file; the next message is taken.
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import dirqueue
from dirqueue import SINK, answers, equal, files, jobs, message, ok, skip

FIRST = b"the first message\n" * 9000  # more than one buffer
SECOND = b"Subject: second\n\nshort\n"
ERRORS = {
    "openat": "EMFILE",
    "write": "ENOSPC",
    "fsync": "EIO",
    "mkdirat": "EROFS",
    "linkat": "EPERM",
    "unlinkat": "EIO",
    "utimensat": "EPERM",
    "close": "EIO",
    "read": "EIO",
    "readv": "EIO",
    "writev": "EIO",
}
# No leaks can be looked for under ptrace.
ENVIRONMENT = dict(os.environ, ASAN_OPTIONS="detect_leaks=0", LC_ALL="C")


def trace(arguments, data):
    """Run the sink on a new queue under strace."""
    shutil.rmtree("q", ignore_errors=True)
    os.mkdir("q")
    run = subprocess.run(
        ["strace", "-f", "-qq", "-o", "trace", *arguments, SINK, "q"],
        input=data,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
        check=False,
    )
    with open("trace", encoding="latin-1") as file:
        return run, file.read()


def last_sync(log):
    """Whether it is the sync after the commit that failed."""
    return "sync, with the job in it," in log


def judge_error(run):
    """After one failing call: a complaint, or None."""
    log = run.stderr.decode()
    found = [data for _, data in jobs("q").values()]
    given = answers(run.stdout)
    left = files("q")
    if None in found:
        return "a job is not whole"
    for number, body in enumerate((FIRST, SECOND)):
        answered = len(given) > number and len(given[number]) == 2
        answer = given[number][-1] if answered else b""
        if answered and not given[number][0].startswith(b"250"):
            answer = given[number][0]  # nobody takes it: 554 at its end
        taken = answered and answer.startswith(b"250")
        count = found.count(body)
        if taken and count != 1:
            return "taken, but in the queue %d times" % count
        if answered and not taken and count and not last_sync(log):
            return "refused, but in the queue"
        if answered and not re.match(rb"250 2\.6\.0|45[12] 4\.3\.[01]", answer):
            return "answered %r" % answer
        if not answered and run.returncode == 0:
            return "no answer"
    if len(left) != 2 * len(found):
        return "left: %s" % left
    if run.returncode == 0 and len(given) == 2:
        refused = [a for a in given if not a[-1].startswith(b"250 2.6")]
        if len(refused) > 1:
            return "one fault, two refusals"
        if refused and "error=" not in log:
            return "not logged: %r" % log
    return None


def judge_kill(run):
    """After a kill at one call: a complaint, or None."""
    found = [data for _, data in jobs("q").values()]
    given = answers(run.stdout)
    if None in found:
        return "a job is not whole"
    for number, body in enumerate((FIRST, SECOND)):
        taken = len(given) > number and given[number][-1].startswith(b"250 2.6")
        if found.count(body) > 1 or (taken and body not in found):
            return "wrong number of jobs"
    for path in files("q"):
        if not re.match(r"(tmp|data/[^/]/[^/]|queue)/\d\d\.\d{20}\.", path):
            return "unknown file %s" % path
    return None


injected = 0


def every(call, action, judge, most=80):
    """The nth call of this name meets the action, for each n."""
    global injected
    complaints = []
    for number in range(1, most):
        run, text = trace(
            ["-e", "trace=" + ",".join(ERRORS),
             "-e", "inject=%s:%s:when=%d" % (call, action, number)],
            message(FIRST) + message(SECOND),
        )
        if run.returncode == 0 and "INJECTED" not in text:
            break
        injected += 1
        complaint = judge(run)
        if complaint:
            complaints.append("%s %s %d: %s" % (call, action, number, complaint))
    for complaint in complaints:
        print("# " + complaint)
    enough = 0 if call in ("read", "readv", "write", "writev") else 2
    ok(not complaints and enough <= number - 1 < most - 1,
       "%s: %s at each of %d calls" % (call, action, number - 1))


def test_order():
    """The order of a commit, from the calls themselves."""
    run, text = trace(["-y", "-s", "400", "-e", "trace=openat,write,writev,fsync,"
                       "linkat,unlinkat,utimensat"], message(SECOND))
    wanted = [
        ("data created", r"openat\([^,]*/q/tmp>, \"[^\"]*\.data\", [^)]*O_EXCL"),
        ("data written", r"write\([^,]*\.data>"),
        ("data synced", r"fsync\([^,]*\.data>"),
        ("data linked", r"linkat\([^,]*/q/tmp>, \"[^\"]*\.data\", [^,]*/q/data/./.>"),
        ("hash directory synced", r"fsync\([^,]*/q/data/./.>"),
        ("tmp name removed", r"unlinkat\([^,]*/q/tmp>, \"[^\"]*\.data\""),
        ("control file created", r"openat\([^,]*/q/tmp>, \"[^\"]*\.ctrl\", [^)]*O_EXCL"),
        ("control file written", r"write\([^,]*\.ctrl>"),
        ("control file synced", r"fsync\([^,]*\.ctrl>"),
        ("commit", r"linkat\([^,]*/q/tmp>, \"[^\"]*\.ctrl\", [^,]*/q/queue>"),
        ("tmp name removed", r"unlinkat\([^,]*/q/tmp>, \"[^\"]*\.ctrl\""),
        ("queue synced", r"fsync\([^,]*/q/queue>"),
        ("queue touched", r"utimensat\([^,]*/q/queue>"),
        ("answered", r"writev?\(1[<,].*250 2\.6\.0"),
    ]
    at = [re.search(pattern, text) for _, pattern in wanted]
    for (name, _), found in zip(wanted, at):
        if not found:
            ok(False, "in the trace: " + name)
            print("# " + text.replace("\n", "\n# "))
            return
    places = [found.start() for found in at]
    equal(places, sorted(places), "the commit's order: " +
          " < ".join(name for name, _ in wanted))
    made = [m.group(1) for m in re.finditer(r"fsync\(\d+<([^>]*)>", text)]
    for parent in ("q", "q/data", "q/data/."):
        ok(any(re.search("/" + parent + "$", path) for path in made),
           "synced after a directory was made in it: " + parent)
    equal(run.returncode, 0, "exit code")


def main():
    with dirqueue.Top():
        probe = subprocess.run(["strace", "-qq", "-o", "trace", "true"], check=False,
                               stderr=subprocess.DEVNULL)
        if probe.returncode:
            skip("faults", "strace may not trace here")
            dirqueue.done()
        test_order()
        for call, error in ERRORS.items():
            every(call, "error=" + error, judge_error)
        for error in ("EMLINK", "EXDEV", "EIO"):
            every("linkat", "error=" + error, judge_error)
        for error in ("EDQUOT", "EFBIG", "EIO"):
            every("write", "error=" + error, judge_error)
        for error in ("ENOSPC", "EACCES", "ENFILE", "EROFS"):
            every("openat", "error=" + error, judge_error)
        for call in ERRORS:
            every(call, "signal=KILL", judge_kill)
        ok(injected > 150, "%d faults in all" % injected)
    dirqueue.done()


main()
