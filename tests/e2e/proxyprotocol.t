#!/usr/bin/env python3
"""proxyprotocol: a proxy says for whom it speaks, in a header that is read to
its last byte and no further; with haproxy itself, too."""
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
from smtptest import (DEADLINE_S, Client, Trap, done,  # noqa: E402
                      is_same, ok, skip, wait_until)

SHOW = ("sh", "-c", 'echo "$TCPREMOTEIP $TCPREMOTEPORT $TCPLOCALIP '
        '$TCPLOCALPORT ${TCPREMOTEHOST-none} ${TCPREMOTEINFO-none} '
        '${XNOTE_proxy-none} $SSLREMOTEIP"; cat')
PROXY = {"PROTO": "TCP", "TCPREMOTEIP": "192.0.2.7", "TCPREMOTEPORT": "40000",
         "TCPREMOTEHOST": "proxy.example", "TCPREMOTEINFO": "ident",
         "TCPLOCALIP": "192.0.2.1", "TCPLOCALPORT": "25"}
AS_IT_WAS = "192.0.2.7 40000 192.0.2.1 25 proxy.example ident none "
V1 = b"PROXY TCP4 203.0.113.5 198.51.100.2 1024 587\r\n"
SEEN = "203.0.113.5 1024 198.51.100.2 587 none none 192.0.2.7 "
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
V2 = (SIGNATURE + struct.pack(">BBH", 0x21, 0x11, 19) +
      socket.inet_aton("203.0.113.5") + socket.inet_aton("198.51.100.2") +
      struct.pack(">HH", 1024, 587) + b"\x04\0\x04tlvs")
V6 = (SIGNATURE + struct.pack(">BBH", 0x21, 0x21, 36) +
      socket.inet_pton(socket.AF_INET6, "2001:db8::5") +
      socket.inet_pton(socket.AF_INET6, "2001:db8::25") +
      struct.pack(">HH", 1024, 25))


def start(trap, *options, client=None, program=SHOW):
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(
        ["proxyprotocol", *options, *program], cwd=trap.dir, stdin=theirs,
        stdout=theirs, stderr=trap.log_file,
        env=trap.environment({**PROXY, **(client or {})}))
    theirs.close()
    ours.settimeout(DEADLINE_S)
    return Client(ours, process)


def talk(trap, *packets, **more):
    """What the program has seen and read, and the exit code."""
    client = start(trap, *more.pop("options", ()), **more)
    try:
        for packet in packets:
            client.send(packet)
    except OSError:
        pass
    text = b"".join(client.finish()).decode()
    return text, client.process.returncode


def new_trap(*proxies):
    return Trap(proxies="\n".join(proxies or ("# ours", "192.0.2.0/24",
                                              "2001:db8::7")))


def test_header():
    trap = new_trap()
    for header, name in ((V1, "version 1"), (V2, "version 2 and TLVs")):
        is_same(talk(trap, header + b"EHLO x\r\n"),
                (f"{SEEN}\nEHLO x\r\n", 0), f"{name}: not a byte is lost")
        is_same(talk(trap, *[bytes([b]) for b in header], b"x"),
                (f"{SEEN}\nx", 0), f"{name}: byte by byte")
        is_same(talk(trap, header[:-1]), ("", 0), f"{name}: cut short")
    is_same(talk(trap, V6), ("2001:db8::5 1024 2001:db8::25 25 none none "
                             "192.0.2.7 \n", 0), "version 2 of IPv6")
    is_same(trap.log(), "proxyprotocol: no header proxy=192.0.2.7 why=eof\n" * 2,
            "only those cut short are logged")
    for header in (b"PROXY UNKNOWN\r\n", SIGNATURE + b"\x20\0\0\0"):
        is_same(talk(trap, header + b"x"), (AS_IT_WAS + "\nx", 0),
                f"{header}: as it was")
    is_same(talk(trap, V1, client={"PROTO": "SSL", "SSLREMOTEIP": "192.0.2.8"}),
            (SEEN.replace("2.7", "2.8") + "203.0.113.5\n", 0),
            "another PROTO's variables")
    is_same(talk(trap, V1, client={"TCPREMOTEIP": "::ffff:192.0.2.9"})[0][:11],
            "203.0.113.5", "a proxy of IPv4 in IPv6 form")


def test_strangers():
    trap = new_trap()
    strange = AS_IT_WAS.replace("192.0.2.7", "192.0.3.7")
    is_same(talk(trap, V1, client={"TCPREMOTEIP": "192.0.3.7"}),
            (strange + "\n" + V1.decode(), 0), "a stranger's header is not read")
    os.unlink(trap.dir + "/control/proxies")
    is_same(talk(trap, V1), (AS_IT_WAS + "\n" + V1.decode(), 0),
            "without control/proxies nobody's is")


def test_garbage():
    trap = new_trap()
    for garbage in (b"EHLO client.example\r\n", b"P", b"PROXY TCP4\r\n" + V1,
                    b"PROXY " + b"x" * 200, SIGNATURE + b"\x11\x11\0\0",
                    b"\0" * 300):
        text, code = talk(trap, garbage)
        is_same((text, code), ("", 0), f"hung up on: {garbage[:30]!r}")
    is_same([line.split("why=")[1] for line in trap.log().splitlines()],
            ["garbage", "eof"] + ["garbage"] * 4, "each is logged")
    trap.clear()
    is_same(talk(trap), ("", 0), "no byte: a proxy that looks")
    is_same(trap.log(), "", "is not logged")


def test_timeout():
    trap = new_trap()
    for sent in (b"", V2[:20]):
        began = time.monotonic()
        client = start(trap, "-t", "1")
        client.send(sent)
        is_same(client.finish(hang_up=False), [], "hung up on in time")
        took = time.monotonic() - began
        ok(0.9 < took < 30, "not before", took)
    is_same(trap.log(), "proxyprotocol: no header proxy=192.0.2.7 "
            "why=timeout\n" * 2, "logged")


def test_trouble():
    trap = new_trap()
    for wrong in (["-t", "0"], ["-t", "3601"], ["-x"]):
        is_same(talk(trap, options=wrong)[1], 100, "usage: " + " ".join(wrong))
    is_same(talk(trap, program=())[1], 100, "usage: no program")
    is_same(talk(trap, V1, program=("no-such-program",)),
            ("421 4.3.0 Service not available\r\n", 111), "no such program")
    for wrong in ("192.0.2.0/33", "proxy.example", "\n".join(["::"] * 1025)):
        trap.control("proxies", wrong)
        is_same(talk(trap, V1), ("421 4.3.0 Service not available\r\n", 111),
                f"control/proxies: {wrong[:20]!r}")
    trap.control("proxies", "\n".join(["::"] * 1023 + ["192.0.2.7"]))
    is_same(talk(trap, V1)[0], SEEN + "\n", "1024 proxies")


# ---- haproxy

CONFIGURATION = """
defaults
  mode tcp
  timeout connect 10s
  timeout client 60s
  timeout server 60s
listen v1
  bind fd@{sockets[0]}
  server trap 127.0.0.1:{trap} send-proxy
listen v2
  bind fd@{sockets[1]}
  server trap 127.0.0.1:{trap} send-proxy-v2 check inter 200 {tlvs}
"""


def listen(family, address):
    listener = socket.socket(family)
    listener.bind((address, 0))
    listener.listen()
    return listener


def start_server(trap):
    process = subprocess.Popen(
        ["tcpserver", "-1", "-H", "-R", "-l0", "127.0.0.1", "0",
         "proxyprotocol", "iplimit", "-c", "2", "-4", "32", "trap-smtpd"],
        cwd=trap.dir, env=trap.environment({}), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=trap.log_file)
    return process, int(process.stdout.readline())


def deliver(trap, port, address, source):
    """A message through a proxy: what its job says of the client."""
    before = {job.name for job in trap.jobs()}
    client = Client(socket.create_connection((address, port), DEADLINE_S,
                                             source_address=(source, 0)))
    client.greet()
    client.say("MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA")
    client.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
    client.reply()
    client.finish()
    jobs = [job for job in trap.jobs() if job.name not in before]
    note = [j.meta.get("proxy", b"").decode() for j in jobs]
    return [j.meta.get("ip", b"").decode() for j in jobs], note


def test_haproxy(family, address, source):
    trap = new_trap("127.0.0.1")
    server, port = start_server(trap)
    listeners = [listen(family, address) for _ in range(2)]
    ports = [listener.getsockname()[1] for listener in listeners]
    sockets = [listener.fileno() for listener in listeners]
    with open(trap.dir + "/haproxy.cfg", "w", encoding="ascii") as f:
        f.write(CONFIGURATION.format(
            sockets=sockets, trap=port,
            tlvs="proxy-v2-options crc32c,unique-id"))
    proxy = subprocess.Popen(
        ["haproxy", "-db", "-f", trap.dir + "/haproxy.cfg"],
        pass_fds=sockets, stdin=subprocess.DEVNULL,
        stdout=open(trap.dir + "/haproxy.log", "wb"), stderr=subprocess.STDOUT)
    for listener in listeners:
        listener.close()
    try:
        for number, where in enumerate(ports, 1):
            ips, note = deliver(trap, where, address, source)
            is_same((ips, note), ([source], ["127.0.0.1"]),
                    f"haproxy, version {number}, for {source}")
        wait_until(lambda: len(trap.processes()) == 1)  # the server's
        held = [Client(socket.create_connection((address, ports[0]), DEADLINE_S,
                                                source_address=(source, 0)))
                for _ in range(3)]
        is_same(sorted(client.reply()[:3] for client in held),
                [b"220", b"220", b"421"],
                "iplimit behind it counts the client")
        for client in held:
            client.close()
        ok(not re.search("no header .* why=(?!eof|reset)", trap.log()),
           "no header of haproxy's is wrong", trap.log())
    finally:
        proxy.kill()
        proxy.wait(DEADLINE_S)
        server.terminate()
        server.wait(DEADLINE_S)


def has_ipv6():
    try:
        listen(socket.AF_INET6, "::1").close()
        return True
    except OSError:
        return False


os.environ["PATH"] += ":/usr/sbin:/sbin"
test_header()
test_strangers()
test_garbage()
test_timeout()
test_trouble()
if shutil.which("haproxy"):
    test_haproxy(socket.AF_INET, "127.0.0.1", "127.0.0.5")
    if has_ipv6():
        test_haproxy(socket.AF_INET6, "::1", "::1")
    else:
        skip("haproxy for a client of IPv6", "this machine has no IPv6")
else:
    skip("haproxy", "it is not here")
done()
