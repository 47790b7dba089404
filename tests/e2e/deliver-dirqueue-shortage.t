#!/usr/bin/env python3
# deliver-dirqueue when something is short: a 4xx answer, one log line that says
# what to do, no file left, and the next message is taken by the same process
# once the cause is gone. Also its caps, and signals.
import os
import resource
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import dirqueue
from dirqueue import SINK, Sink, equal, files, jobs, message, ok, skip, wait_for

NO_LEAKS = dict(os.environ, ASAN_OPTIONS="detect_leaks=0", LC_ALL="C")


def fresh():
    shutil.rmtree("q", ignore_errors=True)
    os.mkdir("q")


def test_missing():
    shutil.rmtree("q", ignore_errors=True)
    sink = Sink("q")
    equal(sink.deliver(b"one"), "554", "no directory: nobody takes it")
    ok(not os.path.exists("q"), "it is not made")
    os.mkdir("q")
    equal(sink.deliver(b"two"), "250", "taken once the directory is there")
    shutil.rmtree("q")
    equal(sink.deliver(b"three"), "554", "the directory removed")
    os.mkdir("q")
    equal(sink.deliver(b"four"), "250", "and there again")
    shutil.rmtree("q/tmp")
    shutil.rmtree("q/data")
    equal(sink.deliver(b"five"), "250", "tmp and data removed")
    os.rename("q", "old")
    os.mkdir("q")
    equal(sink.deliver(b"six"), "250", "another directory in its place")
    equal([data for _, data in jobs("q").values()], [b"six"], "has the job")
    code, log = sink.end()
    equal(code, 0, "exit code")
    equal(log.count("error=\"No such file or directory\" advice=\"make the directory"), 2,
          "one line for each refusal")
    shutil.rmtree("old")


def test_not_a_directory():
    fresh()
    sink = Sink("q")
    os.rmdir("q")
    with open("q", "w", encoding="ascii") as file:
        file.write("x")
    equal(sink.deliver(b"one"), "554", "a file in place of the directory")
    os.unlink("q")
    fresh()
    equal(sink.deliver(b"two"), "250", "taken after it is gone")
    os.rmdir("q/active")
    os.symlink("/tmp", "q/active")
    shutil.rmtree("q/tmp")
    os.symlink("/tmp", "q/tmp")
    equal(sink.deliver(b"three"), "451", "a link in place of tmp")
    code, log = sink.end()
    equal((code, log.count("advice=\"remove what stands there")), (0, 2), "exit code and log")


def test_rights():
    if os.getuid():
        skip("rights", "only root can change users")
        return
    fresh()
    shutil.copy(SINK, "sink")
    sink = Sink("q", program="./sink", user=65534, group=65534, extra_groups=[])
    equal(sink.deliver(b"one"), "554", "no right to write there")
    os.chown("q", 65534, 65534)
    equal(sink.deliver(b"two"), "250", "taken once it has it")
    os.chmod("q/tmp", 0o500)
    equal(sink.deliver(b"three"), "451", "no right to write in tmp")
    os.chmod("q/tmp", 0o700)
    equal(sink.deliver(b"four"), "250", "taken once it has it")
    code, log = sink.end()
    equal((code, log.count("Permission denied\" advice=\"let the user")), (0, 2), "exit code and log")
    equal(len(files("q")), 4, "no file left")


def limit(sink, what, value):
    hard = resource.prlimit(sink.process.pid, what)[1]
    resource.prlimit(sink.process.pid, what, (value, hard))


def test_descriptors():
    fresh()
    sink = Sink("q")
    equal(sink.deliver(b"one"), "250", "with enough descriptors")
    for number in range(3, 9):
        limit(sink, resource.RLIMIT_NOFILE, number)
        code = sink.deliver(b"two")
        ok(code in ("451", "554"), "with %d: %s" % (number, code))
        equal(len(files("q")), 2, "no file left")
    limit(sink, resource.RLIMIT_NOFILE, 64)
    equal(sink.deliver(b"three"), "250", "with enough again")
    code, log = sink.end()
    equal((code, log.count("advice=\"raise the limit")), (0, 6),
          "exit code and log")


def test_file_size():
    fresh()
    sink = Sink("q")
    limit(sink, resource.RLIMIT_FSIZE, 100000)
    equal(sink.deliver(b"x" * 100001), "452", "a message over ulimit -f")
    equal(files("q"), [], "no file left")
    equal(sink.deliver(b"x" * 100000), "250", "a message of that size")
    limit(sink, resource.RLIMIT_FSIZE, 50)
    equal(sink.deliver(b"x"), "452", "no room for the control file")
    equal(len(files("q")), 2, "no file left")
    sink.send(b"MAIL FROM:<a@b>\nRCPT TO:<c@d>\nBDAT 70000\n" + b"x" * 70000 +
              b"RSET\n")
    wait_for(lambda: sink.line() == b"RSET", "RSET after a refusal")
    limit(sink, resource.RLIMIT_FSIZE, resource.RLIM_INFINITY)
    equal(sink.deliver(b"x" * 200000), "250", "no limit")
    code, log = sink.end()
    equal((code, log.count("File too large\" advice=\"raise the limit on file size")), (0, 3),
          "exit code and log")


def test_pass_on():
    """Its own copy fails while others pass on."""
    fresh()
    sink = Sink("-n", "ham", "q")
    limit(sink, resource.RLIMIT_FSIZE, 10)
    sink.send(b"MAIL FROM:<a@b>\nRCPT TO:<c@d> NOTE=ham\nRCPT TO:<e@f>\n"
              b"BDAT 20\n12345678901234567890BDAT 0 LAST\n")
    got = []
    while not got or not (got[-1] or b"").startswith(b"45"):
        got.append(sink.line())
        if got[-1] is None:
            break
    equal(got[3:], [b"BDAT 20", b"12345678901234567890RSET",
                    b"452 4.3.1 insufficient system storage, try again later"],
          "RSET goes down before the answer")
    equal(files("q"), [], "no file left")
    sink.end()


def mount(*options):
    return subprocess.run(["mount", "-t", "tmpfs", *options], check=False,
                          stderr=subprocess.DEVNULL).returncode == 0


def fill(step):
    """Do it until the disk is full; how often it went."""
    count = 0
    try:
        while True:
            step()
            count += 1
    except OSError:
        return count


def test_disk():
    fresh()
    if os.getuid() or not mount("-o", "size=256k,nr_inodes=40", "none", "q"):
        skip("a full disk", "only root can mount")
        return
    try:
        sink = Sink("q")
        equal(sink.deliver(b"x" * 300000), "452", "a message over the disk's size")
        equal(files("q"), [], "no file left")
        equal(sink.deliver(b"x" * 1000), "250", "a smaller one")
        with open("q/fill", "wb", buffering=0) as file:
            fill(lambda: file.write(b"x" * 4096))
        equal(sink.deliver(b"x" * 5000), "452", "no block left")
        equal(len(files("q")), 3, "no file left")
        os.unlink("q/fill")
        equal(sink.deliver(b"x" * 5000), "250", "free blocks")
        inodes = fill(lambda: open("q/inode%d" % len(os.listdir("q")), "x",
                                   encoding="ascii").close())
        spare = [name for name in os.listdir("q") if name.startswith("inode")]
        equal(sink.deliver(b"x"), "452", "no inode left")
        equal(len(files("q")), 4 + inodes, "no file left")
        os.unlink("q/" + spare.pop())
        equal(sink.deliver(b"x"), "452", "one inode is not enough for two files")
        equal(len(files("q")), 3 + inodes, "no file left")
        for name in spare:
            os.unlink("q/" + name)
        equal(sink.deliver(b"y"), "250", "free inodes")
        subprocess.run(["mount", "-o", "remount,ro", "q"], check=True)
        equal(sink.deliver(b"z"), "451", "mounted read-only")
        subprocess.run(["mount", "-o", "remount,rw", "q"], check=True)
        equal(sink.deliver(b"z"), "250", "and read-write again")
        code, log = sink.end()
        equal((code, log.count("advice=\"free space or inodes"),
               log.count("advice=\"mount the file system read-write\"")), (0, 4, 1),
              "exit code and log")
    finally:
        subprocess.run(["umount", "-l", "q"], check=False)


def remove_a_job():
    name = min(os.listdir("q/queue"))
    path = jobs("q")[name][0][b"QDFN"]
    os.unlink("q/queue/" + name)
    os.unlink(path)


def test_caps():
    fresh()
    sink = Sink("-j", "3", "q")
    equal([sink.deliver(b"x") for _ in range(4)], ["250", "250", "250", "554"],
          "-j 3: three jobs, no fourth")
    equal(len(files("q")), 6, "no file of the fourth")
    remove_a_job()
    ok(wait_for(lambda: sink.deliver(b"x") == "250", "room"), "one left, one more is taken")
    equal(len(jobs("q")), 3, "three again")
    code, log = sink.end()
    full = [line for line in log.splitlines() if "queue full" in line]
    equal((code, full[0]),
          (0, "deliver-dirqueue: queue full cap=jobs count=3 more=1 max=3 dir=%s"
           " advice=\"see that workers run, or raise -j\"" % os.path.realpath("q")),
          "exit code and log")
    fresh()
    sink = Sink("-s", "100", "q")
    equal(sink.deliver(b"x" * 101), "452", "-s 100: not 101 bytes")
    equal(files("q"), [], "no file of it")
    equal(sink.deliver(b"x" * 60), "250", "60 bytes")
    equal(sink.deliver(b"x" * 41), "452", "not 41 more")
    equal(sink.deliver(b"x" * 39), "250", "39 more")
    equal(sink.deliver(b"x"), "250", "and one more")
    equal(sink.deliver(b""), "554", "then none, be it empty")
    equal(len(jobs("q")), 3, "three jobs")
    code, log = sink.end()
    equal((code, log.count("queue full cap=bytes"), log.count("raise -s")), (0, 3, 3),
          "exit code and log")


def test_signals():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        fresh()
        sink = Sink("q")
        sink.send(b"MAIL FROM:<a@b>\nRCPT TO:<c@d>\nBDAT 100000\n" + b"x" * 90000)
        wait_for(lambda: len(files("q")) == 1 and os.path.getsize("q/" + files("q")[0]),
                 "a file in tmp")
        sink.process.send_signal(number)
        code, log = sink.end() if sink.process.wait(dirqueue.DEADLINE_S) else (0, "")
        equal((code, files("q"), log), (111, [], ""), "signal %d in a body: nothing left" % number)
    fresh()
    sink = Sink("q")
    sink.send(b"MAIL FROM:<a@b>\nRCPT TO:<c@d>\nBDAT 10\n12345")
    wait_for(lambda: files("q"), "a file in tmp")
    sink.process.kill()
    sink.process.wait()
    equal(len(jobs("q")), 0, "SIGKILL in a body: no job")
    sink.end()


def test_signal_in_commit():
    """Each sync takes a while; the signal comes in the first. The log line takes
    so long that no clock of a second outlasts it: the answer waits for none."""
    fresh()
    probe = subprocess.run(["strace", "-qq", "-o", "trace", "true"], check=False,
                           stderr=subprocess.DEVNULL)
    if probe.returncode:
        skip("a signal in the commit", "strace may not trace here")
        return
    for directory in ("tmp", "data", "active", "queue"):
        os.mkdir("q/" + directory)
    sink = Sink("-D", "-qq", "-e", "trace=fsync,write", "-e", "inject=fsync:delay_enter=250000",
                "-e", "inject=write:delay_enter=1000000:when=3",
                "-o", "trace", SINK, "q", program="strace", env=NO_LEAKS)
    sink.send(message(b"x"))
    # The syncs before the first write are those of the directories.
    wait_for(lambda: os.path.exists("trace") and "fsync(" in
             open("trace", encoding="latin-1").read().partition("write(")[2], "the first sync")
    sink.process.send_signal(signal.SIGTERM)
    ok(sink.answer(b"250 2.1.5") and sink.answer(b"250 2.6.0"), "the commit is finished and answered")
    equal(sink.process.wait(dirqueue.DEADLINE_S), 111, "then it ends")
    equal([data for _, data in jobs("q").values()], [b"x"], "one whole job")
    equal(len(files("q")), 2, "and no other file")
    sink.end()


def main():
    with dirqueue.Top():
        test_missing()
        test_not_a_directory()
        test_rights()
        test_descriptors()
        test_file_size()
        test_pass_on()
        test_disk()
        test_caps()
        test_signals()
        test_signal_in_commit()
    dirqueue.done()


main()
