#!/usr/bin/env python3
"""STARTTLS and TLS from the start: trap-tlsd, tlsaccept and trap-smtpd with
OpenSSL's client, swaks, curl and Python's."""
import atexit
import base64
import hashlib
import os
import random
import re
import select
import signal
import socket
import ssl
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, "tests/e2e/lib")
from smtptest import (  # noqa: E402
    ACCEPTED, DEADLINE_S, Client, Server, Trap, done, files_under, is_same, ok,
    wait_until)
from tcptest import may_trace  # noqa: E402

TRANSACTION = ("MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA")
MIB = 1 << 20

trap = Trap(["received-line", "deliver-dirqueue queue"])
keys = trap.dir + "/keys"
os.mkdir(keys)


def write(name, text):
    """As an operator is told to: never half of it."""
    with open(f"{keys}/{name}.new", "w") as f:
        f.write(text)
    os.rename(f"{keys}/{name}.new", f"{keys}/{name}")


def make_pem(name, *options):
    """A key and a self-signed certificate for name."""
    made = subprocess.run(
        ["openssl", "req", "-x509", "-nodes", "-days", "9", "-subj",
         "/CN=" + name, "-newkey", *(options or ("ec:/dev/stdin",)),
         "-keyout", trap.dir + "/key", "-out", trap.dir + "/crt"],
        capture_output=True,
        input=None if options else subprocess.run(
            ["openssl", "ecparam", "-name", "prime256v1"],
            capture_output=True, check=True).stdout)
    if made.returncode:
        print("#", made.stderr)
    with open(trap.dir + "/key") as key, open(trap.dir + "/crt") as crt:
        return key.read() + crt.read()


class Service:
    def __init__(self, *options):
        before = trap.log().count("key read file=default.pem")
        self.process = subprocess.Popen(
            ["trap-tlsd", *options, "sock", "keys"], cwd=trap.dir,
            env=trap.environment({}), stdin=subprocess.DEVNULL,
            stderr=trap.log_file)
        atexit.register(self.stop)
        wait_until(lambda: self.process.poll() is not None or
                   trap.log().count("key read file=default.pem") > before)

    def stop(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(DEADLINE_S)

    def sessions(self):
        pid = self.process.pid
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            return [int(child) for child in f.read().split()]


def context(**settings):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    for name, value in settings.items():
        setattr(made, name, value)
    return made


def wrap(client, name="mx.trap.example", using=None):
    client.socket = (using or context()).wrap_socket(client.socket,
                                                     server_hostname=name)
    return client


def start(name="mx.trap.example"):
    """A client that speaks TLS, and has not said EHLO since."""
    client = server.connect()
    client.greet()
    answer = client.say("STARTTLS")
    return wrap(client, name) if answer[:3] == b"220" else client


def log_has(text):
    return wait_until(lambda: text in trap.log())


def command(arguments, given=b""):
    """What a program says, standard error with it."""
    return subprocess.run(arguments, input=given, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT,
                          timeout=DEADLINE_S).stdout.decode("latin-1")


def s_client(*options, given=b"QUIT\n", port=None):
    where = f"127.0.0.1:{port or server.port}"
    how = () if port else ("-starttls", "smtp")
    return command(["openssl", "s_client", "-connect", where, *how,
                    "-crlf", "-ign_eof", *options], given)


# ---- Without a service

server = Server(trap)
client = server.connect()
ok(b"STARTTLS" not in client.greet(), "without control/tls: not offered")
is_same(client.say("STARTTLS"), b"500 5.5.2 Command not recognized\r\n",
        "... and no command")
client.finish()

trap.control("tls", "sock")
client = server.connect()
ok(b"250-STARTTLS\r\n" in client.greet(), "with it: offered")
is_same(client.say("STARTTLS"), b"454 4.7.0 TLS not available now\r\n",
        "no service: 454")
client.say(*TRANSACTION)
client.send(b"Subject: clear\r\n\r\n.\r\n")
ok(client.reply().startswith(ACCEPTED), "... and the session goes on in clear")
client.finish()
is_same(trap.jobs()[0].meta["proto"], b"ESMTP", "... as ESMTP")
ok(log_has("error: no TLS service session="), "... it is logged")

# ---- The service, and real clients

service = Service()
ok(log_has("self-signed certificate made file=default.pem name=trap.example"),
   "a first certificate is made")
mode = os.stat(keys + "/default.pem").st_mode & 0o7777
is_same(oct(mode), "0o600", "... for its owner alone")
said = command(["openssl", "x509", "-noout", "-text", "-in",
                keys + "/default.pem"])
ok("prime256v1" in said and "DNS:trap.example" in said, "... on P-256", said)

trap.clear()
said = command(["swaks", "--server", f"127.0.0.1:{server.port}", "--tls",
                "--tls-sni", "MX.trap.example", "--to", "c@d", "--from",
                "a@b", "--helo", "swaks.example"])
job = (trap.jobs() or [None])[0]
if ok(job, "swaks --tls", said):
    meta = {name: job.meta.get(name, b"?").decode() for name in
            ("proto", "helo", "tls.version", "tls.cipher", "tls.sni",
             "tls.ja4")}
    ok(re.fullmatch(r"t13d\d{4}00_[0-9a-f]{12}_[0-9a-f]{12}",
                    meta.pop("tls.ja4")), "... its fingerprint", job.meta)
    is_same(meta, {"proto": "ESMTPS", "helo": "swaks.example",
                   "tls.version": "TLSv1.3",
                   "tls.cipher": "TLS_AES_256_GCM_SHA384",
                   "tls.sni": "mx.trap.example"}, "... its notes")
    ok(b" with ESMTPS (TLSv1.3 TLS_AES_256_GCM_SHA384) ident=" in job.data(),
       "... in Received", job.data())
    ok("tls.version=TLSv1.3 tls.cipher=TLS_AES_256_GCM_SHA384 "
       "tls.sni=mx.trap.example tls.ja4=t13d" in trap.log(), "... in the log")

for version, wanted in (("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")):
    said = s_client(version)
    ok(f"New, {wanted}" in said and "221 2.0.0 Bye" in said,
       f"openssl s_client {version}", said)

saved = trap.dir + "/ticket"
for version in "-tls1_2", "-tls1_3":
    name = f"again{version}.example"
    first = s_client(version, "-sess_out", saved, "-servername", name,
                     given=b"NOOP\nQUIT\n")
    again = s_client(version, "-sess_in", saved, "-servername", name)
    ok("New, TLS" in first and "Reused, TLS" in again,
       f"{version}: a session is resumed", again)
    is_same(trap.log().count(f"tls.sni={name} tls.ja4="), 2, "... its name")
    is_same(len(re.findall(rf"tls\.sni={name} tls\.ja4=\S+ tls\.resumed=1\n",
                           trap.log())), 1, "... and once that it was")

trap.clear()
letter = os.urandom(600).hex() + "\r\n"
with open(trap.dir + "/letter", "w", newline="") as f:
    f.write("Subject: x\r\n\r\n" + letter)
said = command(["curl", "-sSvk", "--ssl-reqd",
                f"smtp://127.0.0.1:{server.port}/curl.example", "--mail-from",
                "a@b", "--mail-rcpt", "c@d", "-T", trap.dir + "/letter"])
ok(len(trap.jobs()) == 1 and letter.strip().encode() in trap.jobs()[0].data(),
   "curl --ssl-reqd", said)

# ---- Keys by name, new ones, and wrong ones


def subject(*options):
    found = re.search(r"subject=.*CN ?= ?(\S+)", s_client(*options))
    return found and found[1]


write("mx.trap.example.pem", make_pem("one"))
write("*.other.example.pem", make_pem("rsa", "rsa:2048"))
is_same([subject("-servername", name) for name in
         ("MX.trap.example", "a.other.example", "a.b.other.example",
          "../default", "mx.trap.example/x")] + [subject("-noservername")],
        ["one", "rsa"] + ["trap.example"] * 4, "keys by name")
ok("tls.sni=.. " not in trap.log(), "what can be no name is not noted")
write("mx.trap.example.pem", make_pem("two"))
is_same(subject("-servername", "mx.trap.example"), "two",
        "a new one, without a new start")
write("mx.trap.example.pem", "-----BEGIN NONSENSE-----\n")
is_same(subject("-servername", "mx.trap.example"), "two",
        "a wrong one changes nothing")
ok(log_has('unable to use a key file=mx.trap.example.pem error="no private'),
   "... and is logged")
one, two = make_pem("one"), make_pem("two")
write("mx.trap.example.pem", one[:one.index("-----BEGIN CERT")] +
      two[two.index("-----BEGIN CERT"):])
is_same(subject("-servername", "mx.trap.example"), "two", "nor a mixed one")
os.unlink(keys + "/mx.trap.example.pem")
is_same(subject("-servername", "mx.trap.example"), "trap.example",
        "one that is gone is gone")

# ---- Old clients

OLD = ("-tls1", "-cipher", "ALL:@SECLEVEL=0")
ok("New, TLS" not in s_client(*OLD), "TLS 1.0 is refused")
ok(log_has('TLS handshake failed session=') and
   log_has('error="unsupported protocol"'), "... with the reason")
write("policy", "# all\nminimum 1.0\n")
said = s_client(*OLD)
ok("Protocol  : TLSv1\n" in said and "221 2.0.0 Bye" in said,
   "minimum 1.0: it is taken", said)
ok("New, TLS" not in s_client(*OLD[:2], "AES128-SHA:@SECLEVEL=0"),
   "who knows only RSA finds no key")
write("default+rsa.pem", make_pem("oldrsa", "rsa:2048"))
said = s_client(*OLD[:2], "AES128-SHA:@SECLEVEL=0")
ok("CN = oldrsa" in said and "221 2.0.0 Bye" in said,
   "default+rsa.pem: he finds one", said)
is_same(subject("-noservername"), "trap.example", "... and others the first")
write("policy", "minimum 1.9\n")
said = s_client(*OLD)
ok("Protocol  : TLSv1\n" in said, "a wrong policy changes nothing", said)
ok(log_has('unable to use the policy error="minimum: want 1.0'),
   "... and is logged")
write("policy", "minimum 1.2\nciphers ECDHE-ECDSA-AES128-GCM-SHA256\n"
      "ciphersuites TLS_CHACHA20_POLY1305_SHA256\n")
ok("Cipher is TLS_CHACHA20_POLY1305_SHA256" in s_client() and
   "Cipher is ECDHE-ECDSA-AES128-GCM-SHA256" in s_client("-tls1_2"),
   "ciphers by policy")
os.unlink(keys + "/policy")
ok("Cipher is TLS_AES_256_GCM_SHA384" in s_client(), "no policy: defaults")

# ---- What STARTTLS forgets

trap.clear()
client = server.connect()
client.greet()
client.send(b"MAIL FROM:<evil@x>\r\nRCPT TO:<evil@y>\r\n"
            b"STARTTLS\r\nRSET\r\nMAIL FROM:<injected@x>\r\n")
is_same([client.reply()[:3] for _ in range(3)], [b"250", b"250", b"220"],
        "STARTTLS with commands behind it, in one packet")
wrap(client)
is_same(client.say("DATA")[:3], b"503", "the transaction is forgotten")
is_same(client.say("STARTTLS"), b"503 5.5.1 TLS already active\r\n",
        "no TLS in TLS")
client.say(*TRANSACTION)
client.send(b"Subject: x\r\n\r\n.\r\n")
ok(client.reply().startswith(ACCEPTED), "a message without EHLO")
ok(b"STARTTLS" not in client.say("EHLO again.example"), "no offer under TLS")
client.say(*TRANSACTION)
client.send(b"Subject: x\r\n\r\n.\r\n")
client.reply()
is_same(client.say("QUIT")[:3], b"221", "QUIT")
is_same(client.receive(), b"", "... ends with close_notify")
client.close()
is_same([(job.meta.get("helo"), job.meta["proto"], job.meta["mail_from"],
          job.meta.get("tls.injected")) for job in trap.jobs()],
        [(None, b"SMTPS", b"a@b", b"1"),
         (b"again.example", b"ESMTPS", b"a@b", b"1")],
        "HELO is forgotten, and what was injected is noted")
ok(log_has(r'warning: input after STARTTLS dropped') and
   log_has(r'bytes=30 text="RSET\x0d\x0aMAIL FROM:<injected@x>\x0d\x0a"'),
   "... and logged", trap.log())

# Tries of AUTH, many and long, must not take the place of what TLS tells.
trap.clear()
trap.control("authbait", "0")
client = server.connect()
client.greet()
for i in range(9):
    client.say("AUTH PLAIN " + base64.b64encode(
        b"\0" + b"\x9f" * 255 + b"\0" + b"\xff" * i * 30).decode())
client.send(b"STARTTLS\r\nAUTH PLAIN AGJvYgBzZWNyZXQ=\r\n")
is_same(client.reply()[:3], b"220", "STARTTLS after AUTH")
wrap(client)
client.say("EHLO x", *TRANSACTION)
client.send(b"Subject: x\r\n\r\n.\r\n")
client.reply()
client.close()
meta = trap.jobs()[0].meta
ok("auth.1.user" in meta and meta.get("tls.version") == b"TLSv1.3" and
   "tls.ja4" in meta, "... leaves the facts their room", meta)
ok(log_has('bytes=29 text=AUTH\n') and "AGJvYg" not in trap.log(),
   "... and no password is logged", trap.log())
os.unlink(trap.dir + "/control/authbait")

client = server.connect()
client.greet()
is_same(client.say("STARTTLS now")[:3], b"501", "STARTTLS takes no argument")
client.finish()

# ---- Handshakes that fail


def fails(packets, why, hang_up=False):
    trap.clear()
    client = server.connect()
    client.greet()
    client.say("STARTTLS")
    for packet in packets:
        client.send(packet)
    if hang_up:
        client.close()
    failed = log_has("TLS handshake failed session=") and why in trap.log()
    ok(failed and log_has("why=handshake"), f"handshake: {why}", trap.log())
    if not hang_up:
        client.finish()
    ok(wait_until(lambda: not service.sessions()), "... its process has ended")


hello = ssl.MemoryBIO()
half = context().wrap_bio(ssl.MemoryBIO(), hello)
try:
    half.do_handshake()
except ssl.SSLWantReadError:
    hello = hello.read()
fails([b"EHLO x\r\n"], "wrong version number")
fails([os.urandom(5000).replace(b"\x16", b"\x17")], "error=")
fails([b"\x16\x03\x01\xff\xff"], "error=")
fails([hello[:100]], "the client went away", hang_up=True)
fails([hello[:60] + bytes(len(hello) - 60)], "error=")

client = server.connect()
client.greet()
client.say("STARTTLS")
pieces = context().wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO())
for i in range(len(hello)):
    client.send(hello[i:i + 1])
ok(client.socket.recv(5)[:1] == b"\x16", "a ClientHello byte by byte")
client.close()

# ---- Bytes


def serve_plain(*program):
    process = subprocess.Popen(
        ["tcpserver", "-1", "-H", "-R", "-l0", "127.0.0.1", "0", "tlsaccept",
         "sock", *program], cwd=trap.dir, env=trap.environment({}),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=trap.log_file)
    atexit.register(lambda: (process.terminate(), process.wait()))
    return int(process.stdout.readline())


def connect_plain(port):
    return wrap(Client(socket.create_connection(("127.0.0.1", port),
                                                DEADLINE_S)))


trap.clear()
random.seed(1)
big = bytes(random.choices(range(256), k=MIB))
client = start()
client.say("EHLO x", *TRANSACTION[:2])
client.send(b"BDAT %d LAST\r\n" % MIB + big)
ok(client.reply().startswith(ACCEPTED), "1 MiB of any bytes")
client.close()
is_same(hashlib.sha256(trap.jobs()[0].sent()).digest(),
        hashlib.sha256(big.replace(b"\r\n", b"\n")).digest(), "... as sent")

echo = serve_plain("cat")
client = connect_plain(echo)
client.socket.setblocking(False)
got, sent = bytearray(), 0
while len(got) < MIB:
    select.select([client.socket], [client.socket][sent // MIB:], [],
                  DEADLINE_S)
    try:
        if sent < MIB:
            sent += client.socket.send(big[sent:sent + 65536])
    except ssl.SSLWantWriteError:
        pass
    try:
        more = client.socket.recv(MIB)
        got += more
        if not more:
            break
    except ssl.SSLWantReadError:
        pass
is_same(hashlib.sha256(got).digest(), hashlib.sha256(big).digest(),
        "1 MiB there and back")
client.close()

# A client that only sends: what it says waits in front of a full relay.
client = connect_plain(echo)
client.socket.setblocking(False)
sent = 0
while select.select([], [client.socket], [], 0.2)[1] and sent < 64 * MIB:
    try:
        sent += client.socket.send(big[:65536])
    except ssl.SSLWantWriteError:
        pass
ok(sent < 32 * MIB, "who does not read is not read for ever", sent)
with open(f"/proc/{service.sessions()[0]}/statm") as f:
    ok(int(f.read().split()[1]) * 4096 < 64 * MIB, "... nor kept in memory")
client.close()
ok(wait_until(lambda: not service.sessions()), "... and is gone when he goes")

# Who takes nothing, of a program that is gone: he kept his place for as long as
# he liked.
raw = socket.socket()
raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
raw.connect(("127.0.0.1", serve_plain("timeout", "1", "yes")))
client = wrap(Client(raw))
ok(wait_until(lambda: not service.sessions()),
   "who takes nothing is hung up on, once the program is gone")
client.close()

# Half-close: the count comes after the end of what is counted.
client = Client(socket.create_connection(
    ("127.0.0.1", serve_plain("wc", "-c")), DEADLINE_S))
inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
tls = context().wrap_bio(inward, outward)


def until(action):
    while True:
        try:
            result = action()
            client.send(outward.read()) if outward.pending else None
            return result
        except ssl.SSLWantReadError:
            client.send(outward.read()) if outward.pending else None
            more = client.receive()
            inward.write(more) if more else inward.write_eof()


until(tls.do_handshake)
until(lambda: tls.write(b"x" * 1000))
try:
    tls.unwrap()
except ssl.SSLWantReadError:
    pass
client.send(outward.read())
raw = b""
while True:
    more = client.receive()
    if not more:
        break
    raw += more
ok(raw[:1] == b"\x17", "close_notify ends one way: the other still speaks")
is_same(raw.count(b"\x17\x03\x03") >= 2, True, "... and then ends too")
client.close()
tail = serve_plain("sh", "-c", "cat; echo last")
client = connect_plain(tail)
client.send(b"x\n")
socket.socket(fileno=os.dup(client.socket.fileno())).shutdown(socket.SHUT_WR)
got = b""
while not got.endswith(b"last\n"):
    more = client.receive()
    if not more:
        break
    got += more
is_same(got, b"x\nlast\n", "an end without close_notify is one")
client.close()

# ---- TLS from the start

trap.clear()
smtps = serve_plain("trap-smtpd")
said = command(["curl", "-sSvk", f"smtps://127.0.0.1:{smtps}/curl.example",
                "--mail-from", "a@b", "--mail-rcpt", "c@d", "-T",
                trap.dir + "/letter"])
job = (trap.jobs() or [None])[0]
ok(job and job.meta["proto"] == b"ESMTPS" and
   job.meta["tls.version"] == b"TLSv1.3" and "STARTTLS" not in said,
   "curl smtps://", said)
ok(log_has("tlsaccept: tls ip=127.0.0.1 tls.version=TLSv1.3"), "... logged")
raw = socket.create_connection(("127.0.0.1", smtps), DEADLINE_S)
raw.sendall(b"EHLO x\r\n")
ok(log_has('tlsaccept: TLS handshake failed ip=127.0.0.1 error="wrong'),
   "no TLS there: hung up on, and logged")
raw.close()

limited = [subprocess.Popen(
    ["tcpserver", "-1", "-H", "-R", "-l0", "127.0.0.1", "0", "iplimit", "-c", "1",
     "tlsaccept", "sock", "trap-smtpd"], cwd=trap.dir,
    env=trap.environment({}), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
    stderr=trap.log_file)]
atexit.register(lambda: (limited[0].terminate(), limited[0].wait()))
port = int(limited[0].stdout.readline())
first = connect_plain(port)
is_same(first.reply()[:3], b"220", "behind iplimit: the one it lets in")
raw = socket.create_connection(("127.0.0.1", port), DEADLINE_S)
is_same(raw.recv(100)[:3], b"421", "... has a lock that holds")
raw.close()
first.close()

# ---- One for itself

ok(wait_until(lambda: not service.sessions()), "those before have ended")
a, b = start(), start()
sessions = service.sessions()
is_same(len(sessions), 2, "a process for each client")
with open(f"/proc/{sessions[0]}/limits") as f:
    ok(re.search(r"open files +3 +3 ", f.read()), "... that can open nothing")
with open(f"/proc/{sessions[0]}/status") as f:
    ok("Seccomp:\t2\n" in f.read() or "no filter of system" in trap.log(),
       "... nor ask the kernel for more than it has")
os.kill(sessions[0], signal.SIGKILL)
ok(log_has(f"error: session ended pid={sessions[0]} signal=9"),
   "one dies: logged")
answers = []
for c in a, b:
    try:
        answers.append(c.say("NOOP")[:3])
    except OSError:
        answers.append(b"")
is_same(sorted(answers), [b"", b"250"], "... and the other goes on")
survivor = a if answers[0] else b

service.stop(signal.SIGKILL)
client = server.connect()
client.greet()
is_same(client.say("STARTTLS")[:3], b"454", "service killed: 454")
is_same(client.say("NOOP")[:3], b"250", "... and the session goes on")
is_same(survivor.say("NOOP")[:3], b"250", "... as do those under TLS")
raw = socket.create_connection(("127.0.0.1", smtps), DEADLINE_S)
is_same(raw.recv(100), b"", "... tlsaccept hangs up")
raw.close()
ok(log_has("tlsaccept: error: no TLS service ip=127.0.0.1 socket=sock"),
   "... and says why")
service = Service("-n", "1")
is_same(client.say("STARTTLS")[:3], b"220", "it is back: 220")
wrap(client)
other = server.connect()
other.greet()
is_same(other.say("STARTTLS")[:3], b"454", "more than -n: 454")
ok(log_has("busy sessions=1 refused=1"), "... logged")
client.close()
ok(wait_until(lambda: not service.sessions()), "one goes")
is_same(other.say("STARTTLS")[:3], b"220", "... and there is room")
other.close()

service.process.send_signal(signal.SIGHUP)  # which is nothing to it
second = subprocess.run(["trap-tlsd", "sock", "keys"], cwd=trap.dir,
                        env=trap.environment({}), capture_output=True)
ok(second.returncode == 111 and b"another service" in second.stderr,
   "a second service does not start", second.stderr)
is_same(service.stop(), 0, "SIGHUP: it serves on; SIGTERM: exit 0")
is_same(re.findall(r"trap-tlsd: (st[^ ]+ [a-z]+)=", trap.log())[-2:],
        ["started socket", "stopped sessions"], "... both logged")
ok(not os.path.exists(trap.dir + "/sock"), "... and no socket left")
if may_trace():
    calls = trap.dir + "/calls"
    with subprocess.Popen(
            ["strace", "-qq", "-f", "-e", "trace=accept4", "-e",
             "inject=accept4:error=ENOBUFS:when=1..3", "-o", calls,
             "trap-tlsd", "sock", "keys"], cwd=trap.dir,
            env=trap.environment({}), stdin=subprocess.DEVNULL,
            stderr=trap.log_file) as service:
        wait_until(lambda: trap.log().count("trap-tlsd: started") > 1 and
                   os.path.exists(trap.dir + "/sock"))
        began = time.monotonic()
        client = server.connect()
        client.greet()
        is_same(client.say("STARTTLS")[:3], b"220", "cannot accept: later")
        ok(time.monotonic() - began >= 0.6, "... with a pause before each try")
        is_same(trap.log().count("unable to accept a borrower: "), 3, "... logged")
        client.close()
        service.terminate()
        subprocess.run(["pkill", "-TERM", "-P", str(service.pid)], check=False)
write("default.pem", "nothing")
failed = subprocess.run(["trap-tlsd", "sock", "keys"], cwd=trap.dir,
                        env=trap.environment({}), capture_output=True)
ok(failed.returncode == 111 and b"no key to begin with" in failed.stderr,
   "no start without a key", failed.stderr)
survivor.close()
server.stop()
done()
