#!/usr/bin/env python3
"""denyrepeat: the log goes through unchanged, and who was refused too often
finds tcpserver closed, until it is forgotten."""
import os
import signal
import socket
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
from smtptest import (BUILD, DEADLINE_S, Client, Trap, done,  # noqa: E402
                      folder, is_same, ok, wait_until)

ENV = {**os.environ, "PATH": BUILD + ":" + os.environ["PATH"]}
WAKE = "denyrepeat: warning: no denyrepeat runs here: the lists are written " \
       "when one starts\n"


def end(ip, hard, more=""):
    return (f"trap-smtpd: end session=1.2.3 ip={ip} why=quit messages=0 rcpt=0 "
            f"refused={hard} hard={hard} commands=4 bytes=99 seconds=0.123"
            f"{more}\n").encode()


class Log:
    """A denyrepeat in a pipeline."""

    def __init__(self, at, *options, program=()):
        self.at = at
        self.errors = open(at + "/errors", "ab+")
        self.process = subprocess.Popen(
            ["denyrepeat", *options, "deny", *program], cwd=at, env=ENV,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
            bufsize=0)

    def say(self, *lines):
        self.process.stdin.write(b"".join(lines))

    def hear(self, n):
        got = b""
        while len(got) < n:
            more = os.read(self.process.stdout.fileno(), n - len(got))
            if not more:
                break
            got += more
        return got

    def close(self):
        """What it still says, and its exit code."""
        self.process.stdin.close()
        rest = self.process.stdout.read()
        return rest, self.process.wait(DEADLINE_S)


def ask(at, *arguments):
    p = subprocess.run(["denyrepeat", *arguments], cwd=at, env=ENV, text=True,
                       capture_output=True, timeout=DEADLINE_S)
    return p.returncode, p.stdout, p.stderr


def listed(at):
    return [line.split("\t")[0] for line in
            ask(at, "-l", "deny")[1].splitlines()]


def read(path):
    try:
        with open(path, "rb") as f:
            return f.read().decode("latin-1")
    except FileNotFoundError:
        return ""


def rule_for(at, ip):
    p = subprocess.run(["tcprulescheck", at + "/deny/tcp.cdb"], text=True,
                       env={**ENV, "TCPREMOTEIP": ip}, capture_output=True,
                       timeout=DEADLINE_S)
    return p.stdout.splitlines()[-1] if p.stdout else p.stderr


def test_pass():
    """Every byte, at once, whatever it is."""
    at = folder()
    log = Log(at)
    for piece in (b"a line\n", b"half", b" a line\n", b"\0\xff\r\n\n\n",
                  end("192.0.2.1", 9), b"x" * 40000 + b"\n", b"no end"):
        log.say(piece)
        ok(log.hear(len(piece)) == piece, f"passed on at once: {piece[:20]}")
    is_same(log.close(), (b"", 0), "and then the end")


def test_deny():
    at = folder()
    log = Log(at, "-e", "text", "-e", "rbldnsd", "-e", "nft")
    wait_until(lambda: os.path.exists(at + "/deny/tcp.cdb"))
    is_same(rule_for(at, "192.0.2.1"), "allow connection", "nobody is denied")
    log.say(end("192.0.2.1", 1), end("192.0.2.2", 1), end("198.51.100.1", 2),
            end("2001:db8:1:2::3", 3), end("203.0.113.1", 0) * 9,
            b"rcptcheck: end session=1 ip=203.0.113.2 hard=9\n",
            end("203.0.113.3", 2, ' helo="x hard=9 ip=203.0.113.3"'))
    wait_until(lambda: listed(at))
    is_same(listed(at), ["2001:db8:1:2::/64"], "three refusals, not two")
    log.say(end("192.0.2.3", 1))
    wait_until(lambda: "192.0.2.:deny" in read(at + "/deny/tcp"))
    wait_until(lambda: rule_for(at, "192.0.2.99") == "deny connection")
    is_same(rule_for(at, "192.0.2.99"), "deny connection", "of one network")
    is_same(rule_for(at, "2001:db8:1:2:9:9:9:9"), "deny connection", "IPv6")
    is_same([rule_for(at, ip) for ip in ("198.51.100.1", "2001:db8:1:3::3",
                                         "203.0.113.1")], ["allow connection"] * 3,
            "others are not")
    is_same(read(at + "/deny/ip4set").splitlines()[1:], ["192.0.2.0/24"],
            "rbldnsd, IPv4")
    is_same(read(at + "/deny/ip6trie").splitlines()[1:], ["2001:db8:1:2::/64"],
            "rbldnsd, IPv6")
    ok("denied4 { 192.0.2.0/24 timeout 43" in read(at + "/deny/nft"), "nft",
       read(at + "/deny/nft"))
    is_same(len(read(at + "/deny/text").splitlines()), 2, "text")
    is_same(log.close()[1], 0, "the end of the log")
    is_same(read(at + "/errors"),
            "denyrepeat: denied network=2001:db8:1:2::/64 hard=3\n"
            "denyrepeat: denied network=192.0.2.0/24 hard=1\n", "logged")
    ok(not os.path.exists(at + "/deny/new"), "nothing half done is left")
    return at


def test_restart(at):
    log = Log(at)
    log.say(end("198.51.100.9", 1))
    wait_until(lambda: len(listed(at)) == 3)
    is_same(listed(at), ["192.0.2.0/24", "198.51.100.0/24",
                         "2001:db8:1:2::/64"], "counts survive a restart")
    # Until the lists are written, or who writes them would outlive it.
    wait_until(lambda: rule_for(at, "198.51.100.1") == "deny connection")
    log.process.kill()
    log.process.wait(DEADLINE_S)
    is_same(len(listed(at)), 3, "and kill -9")
    for name in ("tcp", "tcp.cdb"):
        os.unlink(f"{at}/deny/{name}")
    log = Log(at)
    wait_until(lambda: os.path.exists(at + "/deny/tcp.cdb"))
    is_same(read(at + "/deny/tcp"), "192.0.2.:deny\n198.51.100.:deny\n"
            "2001:db8:1:2::deny\n", "the lists are written at the start")
    log.close()


def test_commands():
    at = folder()
    is_same(ask(at, "-b", "192.0.2.0/24", "deny"), (0, "", WAKE),
            "a ban that nobody hears of")
    is_same(ask(at, "-l", "deny"), (0, "192.0.2.0/24\tnever\n", ""), "is there")
    log = Log(at)
    wait_until(lambda: rule_for(at, "192.0.2.1") == "deny connection")
    is_same(ask(at, "-b", "2001:db8::1", "deny"), (0, "", ""),
            "a ban that is heard")
    wait_until(lambda: rule_for(at, "2001:db8::1") == "deny connection")
    is_same(rule_for(at, "2001:db8::1"), "deny connection", "holds")
    is_same(ask(at, "-r", "192.0.2.77", "deny"), (0, "", ""), "taken back")
    wait_until(lambda: rule_for(at, "192.0.2.1") == "allow connection")
    is_same(rule_for(at, "192.0.2.1"), "allow connection", "is over")
    is_same(listed(at), ["2001:db8::1/128"], "the other holds")
    log.close()
    for wrong in ("192.0.2.0/25", "2001:db8::/56", "x", "", "0.0.0.0/0"):
        is_same(ask(at, "-b", wrong, "deny")[0], 100, f"no ban of {wrong}")
    is_same(ask(at, "-r", "0.0.0.0/0", "deny")[0], 0, "but forgetting is any")


def test_operator_rules():
    at = folder()
    with open(at + "/rules", "w", encoding="ascii") as f:
        f.write('127.:allow,RELAYCLIENT=""\n192.0.2.:allow')
    log = Log(at, "-x", "../" + os.path.basename(at) + "/rules", "-n", "1",
              "-i", 'allow,RBLSMTPD="-Refused too often"')
    said = [end(ip, 1) for ip in ("192.0.2.1", "198.51.100.1", "203.0.113.1")]
    log.say(*said[:2])
    wait_until(lambda: "198.51.100.:" in read(at + "/deny/tcp"))
    wait_until(lambda: "198.51.100." in read(at + "/deny/tcp.cdb"))
    is_same(read(at + "/deny/tcp"), '127.:allow,RELAYCLIENT=""\n'
            "192.0.2.:allow\n"
            '192.0.2.:allow,RBLSMTPD="-Refused too often"\n'
            '198.51.100.:allow,RBLSMTPD="-Refused too often"\n',
            "the operator's rules come first")
    is_same(rule_for(at, "192.0.2.7"), "allow connection", "and win")
    os.unlink(at + "/rules")
    log.say(said[2])
    wait_until(lambda: "unable to read" in read(at + "/errors"))
    piece = b"it goes on\n"
    log.hear(len(b"".join(said)))
    log.say(piece)
    is_same(log.hear(len(piece)), piece, "no rules: the log goes on")
    ok(wait_until(lambda: "to be tried again" in read(at + "/errors")),
       "logged")
    is_same(log.close()[1], 0, "and ends")


def test_program():
    """In front of multilog, which ends when we do, with all lines."""
    at = folder()
    log = Log(at, program=("multilog", "./main"))
    log.say(b"one\n", b"tw")
    wait_until(lambda: read(at + "/main/current").startswith("one\n"))
    # It has a second for the rest of the line: so this is there at once.
    log.process.send_signal(signal.SIGSTOP)
    wait_until(lambda: " (denyrepeat) T " in read(
        f"/proc/{log.process.pid}/stat"))
    log.say(b"o\nthree\n")
    log.process.send_signal(signal.SIGTERM)
    log.process.send_signal(signal.SIGCONT)
    is_same(log.process.wait(DEADLINE_S), 0, "SIGTERM ends it")
    is_same(read(at + "/main/current"), "one\ntwo\n",
            "with the line that it was in, and no more")
    log = Log(at, program=("multilog", "./main"))
    log.say(b"four\n")
    wait_until(lambda: "four\n" in read(at + "/main/current"))
    log.process.send_signal(signal.SIGTERM)
    is_same(log.process.wait(DEADLINE_S), 0, "between lines at once")
    log = Log(at, program=("true",))
    for _ in range(1000):
        try:
            log.say(b"x\n" * 10000)
        except BrokenPipeError:
            break
    is_same(log.process.wait(DEADLINE_S), 111, "nobody to pass it on to")


def test_trouble():
    at = folder()
    for wrong in ([], ["-n", "0", "d"], ["-n", "33", "d"], ["-4", "20", "d"],
                  ["-6", "56", "d"], ["-w", "0", "d"], ["-f", "8761", "d"],
                  ["-i", "reject", "d"], ["-i", "allowed", "d"],
                  ["-i", "deny\n:allow", "d"], ["-e", "bind", "d"],
                  ["-l", "d", "more"], ["-l", "-r", "192.0.2.1", "d"],
                  ["-x"], ["-z", "d"]):
        is_same(ask(at, *wrong)[0], 100, "usage: " + " ".join(wrong))
    is_same(ask(at, "-l", "no/such")[0], 111, "no place")
    for asked in (["-l"], ["-r", "192.0.2.1"]):
        is_same((ask(at, *asked, "none")[0], os.path.exists(at + "/none")),
                (111, False), f"{asked[0]} makes no directory")
    open(at + "/file", "w", encoding="ascii").close()
    is_same(ask(at, "-l", "file")[0], 111, "a file")


def test_real():
    """A real trap: who asks for too many that are not there is shut out."""
    trap = Trap(pipeline=["rcptcheck", "deliver-dirqueue queue"],
                rcptcheck="old@d.example DENY no\nbusy@d.example DENYSOFT later")
    os.mkdir(trap.dir + "/deny")
    subprocess.run("echo :allow | tcprules deny/tcp.cdb deny/tmp", shell=True,
                   cwd=trap.dir, env=ENV, check=True)
    deny = subprocess.Popen(["denyrepeat", "deny"], cwd=trap.dir, env=ENV,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL)
    server = subprocess.Popen(
        ["tcpserver", "-1", "-H", "-R", "-l0", "-x", "deny/tcp.cdb",
         "127.0.0.1", "0", "trap-smtpd"], cwd=trap.dir,
        env=trap.environment({}), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=deny.stdin)
    port = int(server.stdout.readline())

    def session(recipient):
        client = Client(socket.create_connection(("127.0.0.1", port),
                                                 DEADLINE_S))
        if client.greet():
            client.say("MAIL FROM:<a@b>", *[f"RCPT TO:<{recipient}>"] * 3,
                       "QUIT")
            client.close()
            return next(line for line in deny.stdout if b": end " in line)
        client.close()
        return b""
    ok(b" hard=0 " in session("busy@d.example"), "soft refusals do not count")
    ok(b" hard=0 " in session("new@d.example"), "nor mail that is taken")
    ok(b" hard=3 " in session("old@d.example"), "hard ones do")
    wait_until(lambda: "127.0.0.:deny" in read(trap.dir + "/deny/tcp"))
    wait_until(lambda: not session("new@d.example"))
    is_same(session("new@d.example"), b"", "shut out")
    server.terminate()
    server.wait(DEADLINE_S)
    deny.stdin.close()
    is_same(deny.wait(DEADLINE_S), 0, "the end")


test_pass()
test_restart(test_deny())
test_commands()
test_operator_rules()
test_program()
test_trouble()
test_real()
done()
