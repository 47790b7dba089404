#!/usr/bin/env python3
"""Debian's Postfix as a client: mail that it relays to the trap comes under TLS,
by STARTTLS and from the start."""
import atexit
import grp
import os
import pwd
import re
import signal
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
from smtptest import (  # noqa: E402
    BUILD, DEADLINE_S, Server, Trap, done, folder, is_listening, is_same, ok,
    skip, wait_until)

TREE = BUILD + "/postfix"
MESSAGE = b"Subject: relayed\n\n.a dot\nlast\n"
MASTER = """
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    def __init__(self, port, **settings):
        self.dir = folder()
        os.chmod(self.dir, 0o755)
        for name in "etc", "spool", "data":
            os.mkdir(f"{self.dir}/{name}", 0o755)
        owner, group = "daemon", "mail"
        settings = {
            "compatibility_level": "3.6", "myhostname": "relay.example",
            "mydestination": "", "inet_interfaces": "loopback-only",
            "inet_protocols": "ipv4", "mail_owner": owner,
            "setgid_group": group, "queue_directory": self.dir + "/spool",
            "data_directory": self.dir + "/data", "alias_maps": "",
            "daemon_directory": TREE + "/usr/lib/postfix/sbin",
            "command_directory": TREE + "/usr/sbin",
            "shlib_directory": TREE + "/usr/lib/postfix",
            "meta_directory": TREE + "/etc/postfix",
            "maillog_file": "/dev/stdout", "smtp_dns_support_level": "disabled",
            "import_environment": "MAIL_CONFIG LD_LIBRARY_PATH",
            "export_environment": "MAIL_CONFIG LD_LIBRARY_PATH",
            "relayhost": f"[127.0.0.1]:{port}", **settings}
        with open(self.dir + "/etc/main.cf", "w") as f:
            f.writelines(f"{key} = {value}\n" for key, value in
                         settings.items())
        with open(self.dir + "/etc/master.cf", "w") as f:
            f.write(MASTER)
        spool = self.dir + "/spool/"
        os.mkdir(spool + "pid", 0o755)
        for name in ("active", "bounce", "corrupt", "defer", "deferred",
                     "flush", "hold", "incoming", "private", "public", "saved",
                     "trace", "maildrop"):
            os.mkdir(spool + name, 0o700)
            os.chown(spool + name, pwd.getpwnam(owner).pw_uid, -1)
        for name in "maildrop", "public":
            os.chown(spool + name, -1, grp.getgrnam(group).gr_gid)
            os.chmod(spool + name, 0o730 if name == "maildrop" else 0o710)
        os.chown(self.dir + "/data", pwd.getpwnam(owner).pw_uid, -1)
        self.environment = dict(os.environ,
                                LD_LIBRARY_PATH=TREE + "/usr/lib/postfix")
        self.log = open(self.dir + "/log", "w+b")
        self.process = subprocess.Popen(
            [TREE + "/usr/lib/postfix/sbin/master", "-d", "-c",
             self.dir + "/etc"], env=self.environment,
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            start_new_session=True)
        atexit.register(self.stop)

    def send(self):
        return subprocess.run(
            [TREE + "/usr/sbin/sendmail", "-C", self.dir + "/etc", "-f",
             "sender@relay.example", "user@trap.example"], input=MESSAGE,
            env=self.environment, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=DEADLINE_S)

    def said(self):
        with open(self.dir + "/log", encoding="latin-1") as f:
            return f.read()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(DEADLINE_S)


def serve_tls(trap):
    os.mkdir(trap.dir + "/keys")
    service = subprocess.Popen(
        ["trap-tlsd", "sock", "keys"], cwd=trap.dir, env=trap.environment(),
        stdin=subprocess.DEVNULL, stderr=trap.log_file)
    atexit.register(service.terminate)
    wait_until(lambda: is_listening(service))
    return service


def relayed(trap, postfix, name):
    """The message that Postfix is given now, as the trap has it."""
    trap.clear()
    sent = postfix.send()
    ok(sent.returncode == 0, name + ": taken by Postfix", sent.stdout)
    if not ok(wait_until(trap.jobs), name + ": relayed",
              postfix.said() + trap.log()):
        return {}
    job = trap.jobs()[0]
    ok(job.sent().endswith(b"\n\n.a dot\nlast\n"), name + ": as it was sent",
       job.sent())
    return {key: job.meta.get(key, b"").decode() for key in
            ("proto", "helo", "tls.version", "tls.resumed")}


def main():
    if os.geteuid() != 0:
        skip("Postfix", "its master wants to be root")
        done()
    trap = Trap(["received-line", "deliver-dirqueue queue"], tls="sock")
    service = serve_tls(trap)
    postfix = Postfix(Server(trap).port, smtp_tls_security_level="encrypt",
                      smtp_tls_session_cache_database="btree:" + trap.dir +
                      "/sessions", smtp_tls_loglevel="1")
    first = {"proto": "ESMTPS", "helo": "relay.example",
             "tls.version": "TLSv1.3", "tls.resumed": ""}
    is_same(relayed(trap, postfix, "STARTTLS"), first, "under TLS")
    again = relayed(trap, postfix, "again")
    is_same(again, {**first, "tls.resumed": "1"}, "a session resumed")
    postfix.stop()
    ok(re.search(r"Untrusted TLS connection established to 127\.0\.0\.1\S+ "
                 r"TLSv1\.3", postfix.said()), "as Postfix sees it",
       postfix.said())
    postfix = Postfix(Server(trap, chain=("tlsaccept", "sock")).port,
                      smtp_tls_security_level="encrypt",
                      smtp_tls_wrappermode="yes",
                      smtp_tls_mandatory_protocols="!TLSv1.3")
    is_same(relayed(trap, postfix, "smtps"), {**first, "tls.version":
            "TLSv1.2"}, "TLS from the start")
    postfix.stop()
    service.terminate()
    service.wait(DEADLINE_S)
    postfix = Postfix(Server(trap).port, smtp_tls_security_level="may")
    is_same(relayed(trap, postfix, "no service"), {
        **first, "proto": "ESMTP", "tls.version": ""}, "in clear")
    postfix.stop()
    done()


main()
