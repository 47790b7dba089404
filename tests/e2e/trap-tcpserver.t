#!/usr/bin/env python3
"""trap-tcpserver: its options, the environment it sets, rules of who is let
in, and control files that change while it serves."""
import os
import re
import signal
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, "tests/e2e/lib")
from smtptest import (ACCEPTED, SANITIZED, Trap, done, files_under,  # noqa: E402
                      is_same, ok, wait_until)
from tcptest import (TcpServer, all_quiet, anonymous_kb, deliver,  # noqa: E402
                     descriptors, status, wait_for_handler)

GREETING = b"220 trap.example ESMTP\r\n"
REFUSAL = b"421 4.3.0 Service not available\r\n"
STALE = {"TCPREMOTEHOST": "stale", "TCPREMOTEINFO": "stale",
         "TCP6REMOTEHOST": "stale", "TCP6REMOTEINFO": "stale",
         "TCPLOCALHOST": "stale", "TCP6LOCALHOST": "stale",
         "TCPREMOTEIP": "stale", "TCP6LOCALPORT": "stale"}

# ---- Command line

AT = ["127.0.0.1", "0", "trap-smtpd"]
WRONG = (
    [], AT[:1], AT[:2], ["-x"], ["-1"], ["-z", *AT], ["-c5", "-x", *AT[:2]],
)
WRONG_NUMBERS = (
    ["-c", *AT],
    *([f"-{option}{value}", *AT] for option in "bcgu"
      for value in ("0", "-1", "x", "1x", " 1", "2147483648", "4294967297")),
    *([f"-{option}", "", *AT] for option in "bcgu"),
)


def run(trap, *arguments, prefix=()):
    return subprocess.run(
        [*prefix, "trap-tcpserver", *arguments], cwd=trap.dir, check=False,
        env=trap.environment({}), stdin=subprocess.DEVNULL,
        capture_output=True, timeout=60, text=True)


def test_usage():
    trap = Trap()
    usage = ("trap-tcpserver: usage: trap-tcpserver [-1DHOPQRUXqsv] [-b backlog] "
             "[-c limit] [-g gid] [-l name] [-u uid] [-x rules.cdb] address "
             "port program [argument ...]\n")
    number = ("trap-tcpserver: usage: {} wants a whole number from 1 to "
              "2147483647, not {}\n")
    alone = ("trap-tcpserver: fatal: {} is tcpserver's alone: see "
             "trap-tcpserver(8)\n")
    for cases, wanted in (
            (WRONG, usage), (WRONG_NUMBERS, number),
            ([[f"-{option}", *AT] for option in "46BIdhoprt"], alone),
            ([["-U", *AT]], "trap-tcpserver: fatal: {} wants $UID and $GID\n")):
        for arguments in cases:
            got = run(trap, *arguments)
            option = arguments[0][:2] if arguments else ""
            value = arguments[0][2:] or arguments[1] or "an empty one" \
                if len(arguments) > 1 else ""
            is_same((got.returncode, got.stdout, got.stderr),
                    (100, "", wanted.format(option, value)),
                    f"no command line: {arguments}")
    for address, port in (("localhost", "0"), ("127.1", "0"), ("::1", "no"),
                          ("127.0.0.1", "65536"), ("127.0.0.1", "")):
        got = run(trap, address, port, "trap-smtpd")
        is_same((got.returncode, got.stderr),
                (100, "trap-tcpserver: fatal: want an address in numbers, and "
                 f"a port, not {address} {port}\n"), f"not {address} {port}")
    server = TcpServer(trap, "-qQv")  # as old run scripts have it
    for address, port, why in (
            ("127.0.0.1", server.port, "Address (already )?in use"),
            ("192.0.2.1", 0, "Cannot assign .* address|Address not .*")):
        got = run(trap, address, str(port), "trap-smtpd")
        ok(got.returncode == 111 and re.fullmatch(
            f"trap-tcpserver: fatal: unable to listen at {address} {port}: "
            f"({why})\n", got.stderr), why, got)
    got = run(trap, "-gu", "-u1", "127.0.0.1", "0", "trap-smtpd")
    is_same(got.returncode, 100, "numbers, not names, for -g and -u")


def test_lock():
    """What who has started it holds, as setlock does, stays held."""
    trap = Trap()
    server = TcpServer(trap, prefix=("setlock", "-n", "lock"))
    is_same(server.greeting(), GREETING, "behind setlock")
    got = subprocess.run(["setlock", "-nX", "lock", "true"], cwd=trap.dir,
                         check=False, capture_output=True)
    ok(got.returncode, "its lock is held")


def test_port():
    trap = Trap()
    server = TcpServer(trap)
    is_same((server.port > 0, server.process.stdout.read(),
             server.process.poll()), (True, b"", None),
            "-1: the port, then end of file, while it serves")
    is_same(server.greeting(), GREETING, "it serves")
    read, write = os.pipe()
    process = subprocess.Popen(
        ["trap-tcpserver", "127.0.0.1", "0", "true"], cwd=trap.dir,
        env=trap.environment({}), stdout=write, stderr=trap.log_file)
    os.close(write)
    is_same(os.read(read, 99), b"", "without -1: end of file alone")
    os.close(read)
    wait_for_handler(process.pid)
    process.terminate()
    is_same(process.wait(60), 0, "SIGTERM: exit 0")
    with TcpServer(trap, prefix=("sh", "-c", 'exec "$@" <&- 2>&-', "sh")
                   ).process as process:
        ok(descriptors(process.pid).keys() == {0, 1, 2, 3},
           "started without descriptors 0 and 2", descriptors(process.pid))
        process.terminate()
    os.kill(server.pid, signal.SIGHUP)
    is_same((server.greeting(), server.process.poll()), (GREETING, None),
            "SIGHUP: it serves on")
    ok(server.is_idle(), "it is done with him")
    parent = descriptors(server.pid)
    ok(parent.keys() == {0, 1, 2, 3} and parent[0] == parent[1] == "/dev/null"
       and parent[3].startswith("socket:"), "the server's descriptors", parent)


# ---- Environment

def environment(server, **where):
    found = {}
    for line in server.output(**where).splitlines():
        name, _, value = line.partition("=")
        if re.match(r"TCP|PROTO$", name):
            found[name] = value
    ports = {found.pop("TCPREMOTEPORT"), found.pop("TCP6REMOTEPORT")}
    locals_ = {found.pop("TCPLOCALPORT"), found.pop("TCP6LOCALPORT")}
    ok(locals_ == {str(server.port)} and len(ports) == 1, "the ports",
       f"{locals_} {ports}")
    return found


def test_environment():
    trap = Trap()
    for address, clients in (("127.0.0.1", ("127.0.0.1",)), ("::1", ("::1",)),
                             ("0", ("127.0.0.1", "::1"))):
        for options in ((), ("-l", "name.example")):
            ours, theirs = (
                TcpServer(trap, *options, *more, address=address, server=which,
                          program=("env",), **STALE)
                for which, more in (("trap-tcpserver", ()), (
                    "tcpserver", () if options else ("-l", "remove"))))
            for to in clients:
                wanted = environment(theirs, to=to)
                for name in ("TCPLOCALHOST", "TCP6LOCALHOST"):
                    if wanted[name] == "remove":
                        del wanted[name]
                is_same(environment(ours, to=to), wanted, f"at {address}, for "
                        f"{to}, {options}: the environment is tcpserver's")
            ours.stop()
            theirs.stop()
    server = TcpServer(trap, program=("env",), TCP6INTERFACE="stale")
    ok("TCP6INTERFACE" not in server.output(),
       "no interface of another's connection")


def test_executed():
    """What a program that is executed has, and what the one built in has."""
    trap = Trap()
    both = []
    for which in ("trap-tcpserver", "tcpserver"):
        programs = (("sh", "-c", "for n in 0 1 2 3 4 5 6 7 8 9; do"
                     " [ -h /proc/$$/fd/$n ] && echo $n; done;"
                     " pwd; umask; ulimit -a"),
                    ("grep", "-E", "Sig(Blk|Ign)|NoNew|Cap",
                     "/proc/self/status"))
        both.append("".join(TcpServer(trap, server=which, program=program)
                            .output() for program in programs))
    is_same(both[0].splitlines(), both[1].splitlines(),
            "descriptors, signals, limits are as under tcpserver")
    ok(both[0].startswith("0\n1\n2\n/"), "0, 1, 2 and no other", both[0])
    both = []
    for which in ("trap-tcpserver", "tcpserver"):
        server = TcpServer(trap, server=which)
        client = server.connect()
        client.greet()
        wait_until(server.children)
        pid, = server.children()
        both.append((len(descriptors(pid)), status(pid, "Name"),
                     *(status(pid, what) for what in (
                         "SigIgn", "SigCgt", "NoNewPrivs"))))
        client.close()
    is_same(both[0], both[1], "a session is as under tcpserver")
    server = TcpServer(trap, program=("no-such-program", "x"))
    is_same(server.greeting(), b"", "no such program: hung up on")
    ok("trap-tcpserver: fatal: unable to run no-such-program: No such file or "
       "directory\n" in trap.log(), "... and logged", trap.log())


# ---- Rules

def write_rules(trap, *lines):
    subprocess.run(["tcprules", "rules.cdb", "rules.tmp"], cwd=trap.dir,
                   input="\n".join((*lines, "")), text=True, check=True)


def by_tcprulescheck(trap, ip):
    got = subprocess.run(["tcprulescheck", "rules.cdb"], cwd=trap.dir,
                         env={**os.environ, "TCPREMOTEIP": ip}, check=True,
                         capture_output=True, text=True).stdout
    return GREETING if "\nallow connection\n" in got else b""


def test_rules():
    trap = Trap()
    other = trap.dir + "/other"
    os.mkdir(other)
    for name, value in (("me", "other.example"),
                        ("pipeline", "deliver-dirqueue queue")):
        with open(f"{other}/{name}", "w", encoding="ascii") as f:
            f.write(value + "\n")
    write_rules(
        trap, "127.0.0.2:deny", "127.0.0.3:allow,XNOTE_color=\"red\"",
        f"127.0.0.4:allow,TRAPLINE_CONTROL=\"{other}\"", "127.0.1.:deny",
        "127.0.1.7:allow", "127.1:deny", "127.2.0.0-2:deny", "=:deny",
        "127.0.0.5:deny,XNOTE_color=\"blue\"", "::1:deny", ":allow")
    server = TcpServer(trap, "-x", "rules.cdb", address="0")
    for ip in ("127.0.0.1", "127.0.0.2", "127.0.0.5", "127.0.0.22",
               "127.0.1.1", "127.0.1.7", "127.0.1.77", "127.1.2.3",
               "127.2.0.1", "127.2.0.3", "127.2.1.1"):
        is_same(server.greeting(to="127.0.0.1", source=ip),
                by_tcprulescheck(trap, ip), f"{ip} as tcprulescheck says")
    is_same(server.greeting(to="::1"), b"", "an IPv6 address: denied")
    for ip in ("127.0.0.2", "::1"):
        ok(f"trap-tcpserver: denied ip={ip}\n" in trap.log(), "logged",
           trap.log())
    client = server.connect(to="127.0.0.1", source="127.0.0.3")
    ok(deliver(client).startswith(ACCEPTED), "a message")
    is_same(trap.jobs()[0].meta.get("color"), b"red",
            "a rule's XNOTE_ variable is in its job")
    is_same((server.greeting(to="127.0.0.1", source="127.0.0.4"),
             server.greeting(to="127.0.0.1")),
            (b"220 other.example ESMTP\r\n", GREETING),
            "TRAPLINE_CONTROL by rule holds for that client alone")
    trap.control("maxrcpt", "none")
    is_same((server.greeting(to="127.0.0.1", source="127.0.0.4"),
             server.greeting(to="127.0.0.1")),
            (b"220 other.example ESMTP\r\n", REFUSAL),
            "nor does he hear of what is wrong in ours")
    trap.control("maxrcpt", "10")
    os.unlink(other + "/pipeline")
    is_same((server.greeting(to="127.0.0.1", source="127.0.0.4"),
             server.greeting(to="127.0.0.1")), (REFUSAL, GREETING),
            "nor we of what is wrong in his")
    write_rules(trap, "::1:allow", ":deny")
    is_same((server.greeting(to="::1"), server.greeting(to="127.0.0.1")),
            (GREETING, b""), "the rules replaced: at once others")
    write_rules(trap, "::2:allow", "::allow", ":deny")
    client = server.connect(to="::1")
    ok(deliver(client).startswith(ACCEPTED), "a prefix of IPv6")
    client.close()
    is_same([job.meta["ip"] for job in trap.jobs()], [b"127.0.0.3", b"::1"],
            "whose messages they were")


def test_rule_files():
    trap = Trap()
    path = trap.dir + "/rules.cdb"
    strict = TcpServer(trap, "-x", "rules.cdb")
    lenient = TcpServer(trap, "-X", "-x", "rules.cdb")

    def check(wanted, why, name):
        trap.log_file.truncate(0)
        is_same((strict.greeting(), lenient.greeting()), wanted, name)
        lines = [line for line in trap.log().splitlines() if "rules" in line]
        is_same(lines, ["trap-tcpserver: error: unable to read the rules "
                        f"ip=127.0.0.1 file=rules.cdb error=\"{text}\""
                        for text in why], "... logged")

    check((b"", GREETING), ["No such file or directory"],
          "no file: with -X alone everybody is let in")
    write_rules(trap, "127.0.0.9:deny", ":allow")
    check((GREETING, GREETING), [], "then there is one")
    with open(path, "rb") as f:
        whole = f.read()
    for n in (0, 1, 2047, 2048, 2060, len(whole) - 1):
        with open(path, "wb") as f:
            f.write(whole[:n])
        check((b"", b""), ["Protocol error"] * 2, f"{n} bytes of it: nobody")
    with open(path, "wb") as f:
        f.write(bytes(len(whole)))
    check((b"", b""), ["Protocol error"] * 2, "zeros: nobody")
    with open(path, "w", encoding="ascii") as f:
        f.write(":allow\n" * 1000)
    check((b"", b""), ["Protocol error"] * 2, "another kind of file: nobody")
    os.unlink(path)
    os.mkdir(path)
    is_same((strict.greeting(), lenient.greeting()), (b"", b""),
            "a directory: nobody")
    os.rmdir(path)
    write_rules(trap, ":allow")
    check((GREETING, GREETING), [], "whole again: served again")


# ---- Control files

def test_changes():
    trap = Trap()
    server = TcpServer(trap)
    wanted = [f"220 number {n}\r\n".encode() for n in range(30)]
    got = []
    for n in range(30):
        trap.control("greeting", f"number {n}")
        got.append(server.greeting())
    is_same(got, wanted, "a change holds for the next connection, each time")
    os.unlink(trap.dir + "/control/greeting")
    is_same(server.greeting(), GREETING, "a file gone, likewise")
    for name, value, good in (("maxrcpt", "none", "7"),
                              ("pipeline", "a '", "deliver-dirqueue queue"),
                              ("pipeline", "x\n" * 70000,
                               "deliver-dirqueue queue"),
                              ("pipeline", "a\0", "deliver-dirqueue queue"),
                              ("persona", "missing", "")):
        trap.control(name, value)
        is_same([server.greeting() for _ in range(2)], [REFUSAL] * 2,
                f"a bad {name}: 421")
        ok(wait_until(lambda: len(re.findall(
            "^trap-smtpd: fatal: unable to read the configuration error="
            f".*{name}", trap.log(), re.M)) == 2), "... logged", trap.log())
        trap.log_file.truncate(0)
        trap.control(name, good)
        is_same(server.greeting(), GREETING, "mended: served")
    ok(server.is_idle(), "all have ended")
    is_same(list(descriptors(server.pid)), [0, 1, 2, 3],
            "each file is closed again")
    trap.control("me", "a b\x01")
    late = TcpServer(trap)
    is_same(late.greeting(), REFUSAL, "bad from the start: 421")
    trap.control("me", "trap.example")
    is_same(late.greeting(), GREETING, "mended: served")


def test_features():
    """Persona, evidence, stages of our own; then a pool."""
    trap = Trap(pipeline=("received-line", "deliver-dirqueue queue"),
                persona="other", evidence="kept")
    os.mkdir(trap.dir + "/kept")
    os.mkdir(trap.dir + "/control/personas")
    with open(trap.dir + "/control/personas/other", "w",
              encoding="ascii") as f:
        f.write("# " + "x" * 60000 + "\n* 221 -> 221 so long\n")
    server = TcpServer(trap)
    for pooled in (False, True):
        if pooled:
            trap.start_pool()
        client = server.connect()
        answer = deliver(client, b"Subject: y\r\n\r\nbody\r\n")
        is_same((answer[:len(ACCEPTED)], client.say("QUIT")),
                (ACCEPTED, b"221 so long\r\n"), f"a persona, pool: {pooled}")
        client.close()
        job = trap.jobs()[-1]
        is_same((job.sent(), job.meta["ip"], job.meta["helo"]),
                (b"Subject: y\n\nbody\n", b"127.0.0.1", b"client.example"),
                "the message and its facts")
        ok(server.is_idle(), "its processes end")
        kept = files_under(trap.dir + "/kept")
        ok(len(kept) == 1 + pooled and all(map(os.path.getsize, kept)),
           "the evidence is kept", kept)
    trap.stop_pool()
    os.unlink(trap.dir + "/control/pool")
    before = anonymous_kb(server.pid)
    for _ in range(20 if SANITIZED else 300):
        server.greeting()
    ok(server.is_idle(), "all have ended")
    after = anonymous_kb(server.pid)
    ok(SANITIZED or after - before < 300, "what is read again and again takes "
       "no more memory", f"{before} kB, then {after} kB")


def test_chain():
    trap = Trap(proxies="127.0.0.1")
    server = TcpServer(trap, program=("iplimit", "-c", "1", "trap-smtpd"))
    first = server.connect()
    is_same((first.reply(), server.greeting()),
            (GREETING, b"421 4.7.0 Too many connections from your network\r\n"),
            "iplimit before trap-smtpd")
    first.close()
    ok(server.is_idle(), "he has ended")
    is_same(server.greeting(), GREETING, "the next is served")
    server = TcpServer(trap, program=("proxyprotocol", "trap-smtpd"))
    client = server.connect()
    client.send(b"PROXY TCP4 198.51.100.3 192.0.2.1 999 25\r\n")
    ok(deliver(client).startswith(ACCEPTED), "proxyprotocol before trap-smtpd")
    is_same(trap.jobs()[0].meta["ip"], b"198.51.100.3", "has its client's ip")
    client.close()


if __name__ == "__main__":
    os.environ["PATH"] = (os.path.abspath(os.environ.get("BUILD", "build"))
                          + ":" + os.environ["PATH"])
    for test in (test_usage, test_lock, test_port, test_environment, test_executed,
                 test_rules, test_rule_files, test_changes, test_features,
                 test_chain, all_quiet):
        test()
    done()
