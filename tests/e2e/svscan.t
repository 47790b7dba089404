#!/usr/bin/env python3
"""The service directories of run/ as they are shipped, under svscan: mail in,
log lines out, svc -t and -h, who they run as, and a worker."""
import atexit
import contextlib
import glob
import os
import re
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, "tests/e2e/lib")
from smtptest import (BUILD, DEADLINE_S, SANITIZED,  # noqa: E402
                      done, ok, wait_until)

base = os.path.realpath(tempfile.mkdtemp(prefix="trapline-svscan."))
os.chmod(base, 0o755)
service = base + "/service/trap"
pool = base + "/service/pool"
tls = base + "/service/tls"
archive = base + "/service/archive"
current = service + "/log/main/current"
svscan = None
# Its port is nobody's but who shares it, as trap-tcpserver does.
held = socket.socket()
held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
held.bind(("127.0.0.1", 0))


def put(path, text, folder=None):
    with open(f"{folder or service}/{path}", "w", encoding="ascii") as f:
        f.write(text + "\n")


def log():
    try:
        with open(current, encoding="ascii") as f:
            return f.read()
    except FileNotFoundError:
        return ""


def ours(name=None):
    """Processes that work below the service, by name: {pid: uid}."""
    found = {}
    for proc in glob.glob("/proc/[0-9]*"):
        try:
            cwd = os.readlink(proc + "/cwd")
            with open(proc + "/comm", encoding="latin-1") as f:
                comm = f.read().strip()
            uid = os.stat(proc).st_uid
        except OSError:
            continue
        if cwd.startswith(base) and name in (None, comm):
            found[int(proc[6:])] = uid
    return found


def stop():
    if svscan:
        svscan.kill()
        svscan.wait()
    for folder in (service, service + "/log", pool, pool + "/log", tls,
                   tls + "/log", archive, archive + "/log"):
        subprocess.run(["svc", "-dx", folder], check=False, stderr=-3)
    if not wait_until(lambda: not ours()):
        for pid in ours():
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                os.kill(pid, signal.SIGKILL)
    shutil.rmtree(base, ignore_errors=True)


def set_up():
    """The installed tree, as INSTALL says, with what a test must change: the
    port, the programs' place, queues, and accounts that this machine has."""
    shutil.copytree("run/trap", service)
    shutil.copytree("run/pool", pool)
    shutil.copytree("run/tls", tls)
    account = "nobody" if os.getuid() == 0 and reachable() else ""
    port = held.getsockname()[1]
    for folder in (service, pool, tls):
        for path, value in (("env/ACCOUNT", account),
                            ("log/env/ACCOUNT", account),
                            ("env/PATH", BUILD + ":/usr/bin:/bin"),
                            ("env/PROCESSES", "=")):
            put(path, value, folder)
        if SANITIZED:
            put("env/MEMORY", "=", folder)
            put("env/ASAN_OPTIONS", "detect_leaks=0", folder)
    for path, value in (("env/ADDRESS", "127.0.0.1"), ("env/PORT", str(port)),
                        ("control/me", "mx.example"),
                        ("control/tls", "../tls/socket/tls")):
        put(path, value)
    with open(service + "/control/pipeline", encoding="ascii") as f:
        pipeline = f.read()
    put("control/pipeline", pipeline.replace("/var/spool/trapline", base))
    for folder in (base + "/incoming", base + "/hamincoming", pool + "/socket",
                   service + "/log/main", pool + "/log/main",
                   tls + "/socket", tls + "/keys", tls + "/log/main"):
        os.makedirs(folder, exist_ok=True)
        if account:
            shutil.chown(folder, account)
    return port, account


def reachable():
    return subprocess.run(["setuidgid", "nobody", "test", "-x",
                           BUILD + "/trap-smtpd"], check=False).returncode == 0


def send(port, recipient, mark):
    with smtplib.SMTP("127.0.0.1", port, timeout=DEADLINE_S) as client:
        client.sendmail("a@client.example", [recipient],
                        f"Subject: {mark}\r\n\r\n{mark}\r\n")


def bodies(queue):
    found = []
    for path in glob.glob(f"{base}/{queue}/data/*/*/*"):
        try:
            with open(path, "rb") as f:
                found.append(f.read())
        except FileNotFoundError:  # done meanwhile
            pass
    return found


def listens(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as client:
            return client.makefile("rb").readline().startswith(b"220 mx.exam")
    except OSError:
        return False


def serve(port, account):
    ok(wait_until(lambda: listens(port) and
                  os.path.exists(pool + "/socket/pool") and
                  os.path.exists(tls + "/keys/default.pem")),
       "svscan brings it up", log())
    send(port, "someone@trap.example", "first")
    send(port, "postmaster@trap.example", "second")
    ok([b"first" in b for b in bodies("incoming")] == [True],
       "the shipped rules: trap mail into incoming", bodies("incoming"))
    ok([b"second" in b for b in bodies("hamincoming")] == [True],
       "the shipped rules: mail to postmaster into hamincoming",
       bodies("hamincoming"))
    ok(wait_until(lambda: re.search(
        r"^@4[0-9a-f]{23,} trap-smtpd: .*from=a@client\.example", log(), re.M)),
       "multilog has the line, with its time", log())
    modes = {oct(os.stat(p).st_mode & 0o7777)
             for p in glob.glob(base + "/incoming/data/*/*")}
    ok(modes == {"0o770"}, "the queue's directories are its group's to write "
       "in, and not for others to see", modes)
    if account:
        uids = {uid for name in ("trap-tcpserver", "trap-pool", "rcptcheck",
                                 "multilog") for uid in ours(name).values()}
        ok(uids and 0 not in uids, "what meets the network is not root", uids)
    with smtplib.SMTP("127.0.0.1", port, timeout=DEADLINE_S) as client:
        client.starttls()
        ok(client.ehlo("client.example")[0] == 250, "STARTTLS")
        ok({*ours("trap-tlsd").values()} <= {*ours("trap-pool").values()},
           "who has the keys is not root, either", ours("trap-tlsd"))
    mode = oct(os.stat(tls + "/keys/default.pem").st_mode & 0o7777)
    ok(mode == "0o600", "the key is its owner's", mode)
    mode = oct(os.stat(pool + "/socket/pool").st_mode & 0o7777)
    ok(mode == "0o660", "the pool's socket is its group's", mode)


def change(port):
    put("control/maxrcpt", "1")
    with smtplib.SMTP("127.0.0.1", port, timeout=DEADLINE_S) as client:
        client.ehlo("client.example")
        client.mail("a@client.example")
        codes = [client.rcpt(f"{i}@trap.example")[0] for i in range(2)]
    ok(codes == [250, 452],
       "a change of control/ holds for the next connection", codes)


def renew(port):
    put("control/rcptcheck", "@gone.example DENY Gone.")
    stages = ours("rcptcheck").keys()
    subprocess.run(["svc", "-h", pool], check=True)
    ok(wait_until(lambda: ours("rcptcheck") and
                  not stages & ours("rcptcheck").keys()),
       "svc -h: new stages")
    with smtplib.SMTP("127.0.0.1", port, timeout=DEADLINE_S) as client:
        client.ehlo("client.example")
        client.mail("a@client.example")
        code = client.rcpt("b@gone.example")[0]
    ok(code == 550, "svc -h: a change of rules holds", code)
    before = ours("trap-pool").keys()
    subprocess.run(["svc", "-t", pool], check=True)
    ok(wait_until(lambda: ours("trap-pool") and
                  not before & ours("trap-pool").keys()),
       "svc -t: a new pool")
    send(port, "someone@trap.example", "again")
    ok(any(b"again" in b for b in bodies("incoming")),
       "svc -t: nobody has to come again for it")


def restart(port):
    before = ours("trap-tcpserver")
    with smtplib.SMTP("127.0.0.1", port, timeout=DEADLINE_S) as client:
        client.ehlo("client.example")
        subprocess.run(["svc", "-t", service], check=True)
        ok(wait_until(lambda: ours("trap-tcpserver") and
                    not before.keys() & ours("trap-tcpserver").keys()),
           "svc -t: a new server")
        ok(wait_until(lambda: listens(port)), "svc -t: it serves on", log())
        client.sendmail("a@client.example", ["b@trap.example"],
                        "Subject: third\r\n\r\nthird\r\n")
    ok(any(b"third" in b for b in bodies("incoming")),
       "svc -t: a session in hand goes on to its end")


def wrong_account():
    put("env/ACCOUNT", "no-such-account")
    subprocess.run(["svc", "-t", service], check=True)
    ok(wait_until(lambda: "no-such-account" in log()),
       "an account that does not exist: the log says so", log()[-500:])


def work(account):
    """A worker that comes later, for all that has been taken."""
    taken = bodies("incoming")
    new = base + "/archive.new"
    shutil.copytree("run/archive", new)
    for path, value in (("env/ACCOUNT", account), ("log/env/ACCOUNT", account),
                        ("env/PATH", BUILD + ":/usr/bin:/bin"),
                        ("env/PROCESSES", "="),
                        ("env/QUEUE", base + "/incoming"),
                        ("control/pipeline",
                         f"deliver-maildir {base}/maildir")):
        put(path, value, new)
    if SANITIZED:
        put("env/MEMORY", "=", new)
        put("env/ASAN_OPTIONS", "detect_leaks=0", new)
    for folder in (base + "/maildir", new + "/log/main"):
        os.makedirs(folder)
        if account:
            shutil.chown(folder, account)
    os.rename(new, archive)
    ok(wait_until(lambda: len(glob.glob(base + "/maildir/new/*")) ==
                  len(taken) and not bodies("incoming")),
       "a worker: all that was in the queue is in its maildir")
    found = []
    for path in glob.glob(base + "/maildir/new/*"):
        with open(path, "rb") as f:
            found.append(f.read())
    ok(len(taken) >= 3 and sorted(found) == sorted(taken), "as it was", found)
    send(served_port, "someone@trap.example", "later")
    ok(wait_until(lambda: len(glob.glob(base + "/maildir/new/*")) ==
                  len(taken) + 1), "and what comes later, too")


atexit.register(stop)
served_port, served_account = set_up()
svscan = subprocess.Popen(["svscan", base + "/service"], stdin=-3)
serve(served_port, served_account)
change(served_port)
renew(served_port)
restart(served_port)
work(served_account)
wrong_account()
done()
