#!/usr/bin/env python3
"""dq-deque and dq-server: jobs given to commands, one by one."""
import os
import signal
import subprocess
import sys

sys.path.insert(0, "tests/e2e/lib")
from dirqueue import (BUILD, DEADLINE_S, Top, done, equal, files,  # noqa: E402
                      jobs, ok, skip, wait_for)


def run(program, *arguments):
    result = subprocess.run([BUILD + "/" + program, *arguments], check=False,
                            stdin=subprocess.DEVNULL, capture_output=True,
                            timeout=DEADLINE_S)
    return result.returncode, result.stdout, result.stderr


def submit(data, *arguments):
    subprocess.run([BUILD + "/dq-submit", "--dir", "q", *arguments],
                   input=data, check=True)


def serve(*arguments):
    return subprocess.Popen([BUILD + "/dq-server", "--dir", "q", *arguments],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)


def end(process, number=signal.SIGTERM):
    process.send_signal(number)
    out, err = process.communicate(timeout=DEADLINE_S)
    return process.returncode, out, err


def test_deque():
    os.mkdir("q")
    submit(b"second\n")
    submit(b"first\n", "--priority", "3")
    code, out, _ = run("dq-deque", "--dir", "q", "cat")
    equal((code, out), (0, b"first\nfinished\n"), "the first job, finished")
    equal(len(jobs("q")), 1, "the other one is left")
    before = sorted(jobs("q"))
    code, out, err = run("dq-deque", "--dir=q", "--", "sh", "-c", "exit 3")
    equal((code, out), (111, b""), "a command that fails: 111")
    ok(b"command failed: exit=3\n" in err, "and why")
    code, out, err = run("dq-deque", "-dir", "q", "--", "sh", "-c",
                         "kill -KILL $$")
    equal(code, 111, "a command that is killed: 111")
    ok(b"command failed: signal=9\n" in err, "and why")
    code, out, err = run("dq-deque", "--dir", "q", "./no-such-program")
    equal(code, 111, "no such command: 111")
    ok(b"unable to run ./no-such-program: No such file" in err, "and why")
    equal((sorted(jobs("q")), len(files("q"))), (before, 2),
          "the job is as it was")
    code, out, _ = run("dq-deque", "cat", "--dir", "q")
    equal((code, out), (0, b"second\nfinished\n"), "options behind")
    equal(run("dq-deque", "--dir", "q", "cat")[:2], (0, b"no jobs left\n"),
          "none is left")
    equal(files("q"), [], "nothing is left")


def test_usage():
    os.mkdir("q")
    for arguments in ((), ("--dir", "q"), ("cat",), ("--dir",),
                      ("--dir", "q", "sh", "-c", "x"),
                      ("--dir", "q", "--njobs", "x", "cat")):
        for program in ("dq-deque", "dq-server"):
            code, out, err = run(program, *arguments)
            equal((code, out, b": usage: " in err), (100, b"", True),
                  "%s: wrong usage: %s" % (program, " ".join(arguments)))
    for program in ("dq-deque", "dq-server"):
        code, _, err = run(program, "--dir", "away", "cat")
        equal((code, b"unable to open away: No such file" in err),
              (111, True), program + ": no such queue: 111")


def test_locked():
    """A job that another one has is not there for us."""
    os.mkdir("q")
    submit(b"x\n")
    (name,) = jobs("q")
    os.makedirs("q/active", exist_ok=True)
    with open("q/active/" + name, "w", encoding="ascii") as lock:
        lock.write("%s\n%d\n" % (os.uname().nodename, os.getpid()))
    equal(run("dq-deque", "--dir", "q", "cat")[:2], (0, b"no jobs left\n"),
          "a job that is locked")
    code, out, _ = run("dq-deque", "--dir", "q", "cat")
    os.unlink("q/active/" + name)
    code, out, _ = run("dq-deque", "--dir", "q", "--", "sh", "-c",
                       'cat q/active/*; ls "$0"')
    lines = out.split(b"\n")
    equal((code, lines[0], os.path.isabs(lines[2]), lines[3]),
          (0, os.uname().nodename.encode(), True, b"finished"),
          "while it runs, the job is locked; its file's path is absolute")


def test_outside():
    """A control file that names a file elsewhere."""
    os.mkdir("q")
    submit(b"x\n")
    (name,) = jobs("q")
    with open("victim", "w", encoding="ascii") as victim:
        victim.write("v")
    control = "q/queue/" + name
    with open(control, "rb") as f:
        text = f.read()
    text = text.replace(text.split(b"\n")[0],
                        b"QDFN: " + os.path.realpath("victim").encode())
    with open(control, "wb") as f:
        f.write(text)
    code, out, err = run("dq-deque", "--dir", "q", "cat")
    equal((code, out), (0, b"no jobs left\n"), "a file outside is not given")
    ok(b"damaged job left alone" in err, "but reported")
    equal((os.path.exists("victim"), os.path.exists(control)), (True, True),
          "both are there")


def test_server():
    os.mkdir("q")
    for data in (b"1\n", b"2\n", b"3\n"):
        submit(data, "--priority", data.decode().strip())
    code, out, _ = run("dq-server", "--dir", "q", "--njobs", "2", "cat")
    lines = out.split(b"\n")
    equal((code, lines[1:3], lines[4:6]),
          (0, [b"1", b"finished"], [b"2", b"finished"]), "two jobs, in order")
    ok(lines[0].startswith(b"running cat /"), "says what it runs")
    server = serve("cat")
    ok(wait_for(lambda: not jobs("q"), "the third") is True, "the third")
    submit(b"late\n")
    ok(wait_for(lambda: not jobs("q"), "a late one") is True, "a late one")
    code, out, _ = end(server)
    equal(code, 0, "SIGTERM: 0")
    equal([line for line in out.split(b"\n") if line[:3] != b"run"],
          [b"3", b"finished", b"late", b"finished", b""], "what it gave")
    equal(files("q"), [], "nothing is left")


def test_failure():
    os.mkdir("q")
    submit(b"bad\n")
    submit(b"good\n")
    server = serve("grep", "good")
    ok(wait_for(lambda: not jobs("q"), "both tried") is True, "both are tried")
    code, out, err = end(server)
    equal((code, b"good\nfinished\n" in out), (0, True), "one is done")
    ok(b"command failed: exit=1\n" in err, "the other one failed")
    (deferred,) = os.listdir("q/deferred")
    with open("q/deferred/" + deferred, "rb") as f:
        text = f.read()
    ok(b"\ndq.tries: 1\n" in text, "and is tried again later")


def test_busy_end():
    """SIGTERM while a command runs."""
    os.mkdir("q")
    submit(b"x\n")
    os.mkfifo("go")
    server = serve("--", "sh", "-c", ": >begun; read line <go; exit $line")
    ok(wait_for(lambda: os.path.exists("begun"), "begun") is True, "begun")
    server.send_signal(signal.SIGTERM)
    with open("go", "w", encoding="ascii") as go:
        go.write("0\n")
    code, out, _ = end(server)
    equal((code, out[-9:], files("q")), (0, b"finished\n", []),
          "the command in hand ends its work")
    submit(b"x\n")
    os.unlink("begun")
    server = serve("--", "sh", "-c", ": >begun; read line <go; kill -TERM $$")
    ok(wait_for(lambda: os.path.exists("begun"), "begun") is True,
       "begun again")
    server.send_signal(signal.SIGTERM)
    with open("go", "w", encoding="ascii") as go:
        go.write("0\n")
    code, _, err = end(server)
    equal((code, len(jobs("q")), len(files("q"))), (0, 1, 2),
          "if it dies, the job goes back")
    ok(b"given back job=" in err, "which is logged")


def test_end_together():
    """SIGTERM for both, and the command is dead before the server looks."""
    if subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"],
                      check=False, stderr=subprocess.DEVNULL).returncode:
        skip("killed together", "strace may not trace here")
        return
    os.mkdir("q")
    submit(b"x\n")
    server = subprocess.Popen(
        ["strace", "-D", "-qq", "-o", "calls", "-e", "trace=wait4",
         "-e", "inject=wait4:delay_enter=500ms:when=1",
         BUILD + "/dq-server", "--dir", "q", "--", "sh", "-c",
         "kill -TERM $PPID $$"], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
    out, err = server.communicate(timeout=DEADLINE_S)
    equal((server.returncode, len(jobs("q")), len(files("q"))), (0, 1, 2),
          "killed with its command: the job goes back")
    ok(b"given back job=" in err, "which is logged")


def test_full():
    """A disk that is full must not keep who empties it from his work."""
    os.mkdir("disk")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs",
                       "disk"], check=False,
                      stderr=subprocess.DEVNULL).returncode:
        skip("a full disk", "no right to mount")
        return
    try:
        os.mkdir("disk/q")
        os.symlink("disk/q", "q")
        for i in range(3):
            submit(b"%d\n" % i, "--priority", str(i))
        with open("disk/ballast", "wb", buffering=0) as ballast:
            try:
                while ballast.write(b"x" * 4096):
                    pass
            except OSError:
                pass
        code, out, err = run("dq-server", "--dir", "q", "--njobs", "3", "--",
                             "sh", "-c", 'cat "$0"; cat q/active/* | wc -c')
        words = [w for w in out.split() if w.isdigit()]
        equal((code, out.count(b"finished\n"), files("disk/q")), (0, 3, []),
              "a full disk: the jobs are done")
        ok(words[:2] == [b"0", b"0"], "the first one under an empty lock")
        ok(words[-1] != b"0", "later ones have their text again")
    finally:
        subprocess.run(["umount", "disk"], check=True)


with Top() as top:
    for test in (test_deque, test_usage, test_locked, test_outside, test_server,
                 test_failure, test_busy_end, test_end_together, test_full):
        os.mkdir(test.__name__)
        os.chdir(test.__name__)
        test()
        os.chdir(top)
done()
