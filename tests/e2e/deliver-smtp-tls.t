#!/usr/bin/env python3
"""deliver-smtp(8) with TLS: where it is offered, wanted, broken, verified."""
import os
import socket
import ssl
import subprocess
import sys
import threading

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
from dirqueue import (BUILD, DEADLINE_S, Top, answers, done, equal,  # noqa: E402
                      message, ok)


class Server:
    """Takes any message. starttls: "offered", "no", or what goes wrong."""

    def __init__(self, starttls="offered"):
        self.starttls = starttls
        self.bodies, self.said, self.connections = [], [], 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            client.settimeout(DEADLINE_S)
            try:
                self.talk(client)
            except (OSError, ssl.SSLError):
                pass
            client.close()

    def talk(self, client):
        secure = False
        wire = client.makefile("rwb", buffering=0)
        client.sendall(b"220 s ESMTP\r\n")
        while True:
            line = wire.readline()
            if not line:
                return
            verb = line[:4].upper()
            self.said.append((secure, line.rstrip()))
            if verb == b"EHLO":
                offer = b"" if secure or self.starttls == "no" \
                    else b"250-STARTTLS\r\n"
                client.sendall(b"250-s\r\n" + offer + b"250 8BITMIME\r\n")
            elif line.startswith(b"STARTTLS"):
                if self.starttls == "refused":
                    client.sendall(b"454 4.7.0 not now\r\n")
                    continue
                extra = b"250 injected\r\n" if self.starttls == "injected" \
                    else b""
                client.sendall(b"220 2.0.0 go\r\n" + extra)
                if self.starttls == "garbage":
                    client.recv(1)  # of the handshake
                    client.sendall(b"this is no TLS at all\r\n" * 10)
                    return
                if self.starttls == "gone":
                    return
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain("cert.pem", "key.pem")
                client = context.wrap_socket(client, server_side=True)
                wire = client.makefile("rwb", buffering=0)
                secure = True
            elif verb == b"DATA":
                client.sendall(b"354 go\r\n")
                if self.starttls == "lost" and secure:
                    return
                self.take(client, secure)
            elif verb == b"QUIT":
                client.sendall(b"221 bye\r\n")
                return
            else:
                client.sendall(b"250 ok\r\n")

    def take(self, client, secure):
        body = b""
        while not body.endswith(b"\r\n.\r\n"):
            piece = client.recv(65536)
            if not piece:
                raise ConnectionError
            body += piece
        self.bodies.append((secure, body[:-3].replace(b"\r\n", b"\n")))
        client.sendall(b"250 2.0.0 taken\r\n")


def run(server, *options, bodies=(b"x\n",), trust=None, host="127.0.0.1"):
    """The last answers, and the log."""
    env = dict(os.environ)
    if trust:
        env["SSL_CERT_FILE"] = trust
    result = subprocess.run(
        [BUILD + "/deliver-smtp", "-t", "50", *options,
         f"{host}:{server.port}"], input=b"".join(map(message, bodies)),
        capture_output=True, check=False, env=env, timeout=DEADLINE_S)
    return [one[-1] for one in answers(result.stdout)], result.stderr.decode()


def make_certificate():
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=s",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem",
         "-out", "cert.pem"], check=True, stderr=subprocess.DEVNULL)


def test_offered():
    server = Server()
    large = b"." + os.urandom(700000).replace(b"\r", b"") + b"\n"
    got, log = run(server, bodies=(b"one\n", b".two\n", large))
    equal(got, [b"250 2.0.0 taken"] * 3, "three messages")
    equal([body for secure, body in server.bodies if secure],
          [b"one\n", b"..two\n", b"." + large.replace(b"\n.", b"\n..")],
          "with TLS, byte for byte")
    equal(server.connections, 1, "over one connection")
    ok(log.count(" tls=TLSv1.3 ") == 3, "which the log tells")
    equal([line for secure, line in server.said if not secure][1:],
          [b"STARTTLS"], "nothing but EHLO in clear")


def test_clear():
    for state, options, name in (("offered", ("-c",), "-c"),
                                 ("no", (), "not offered"),
                                 ("refused", (), "refused"),
                                 ("garbage", (), "broken"),
                                 ("injected", (), "with more before it"),
                                 ("gone", (), "at which the server goes")):
        server = Server(state)
        got, log = run(server, *options)
        equal((got, server.bodies), ([b"250 2.0.0 taken"],
                                     [(False, b"x\n")]),
              "TLS " + name + ": in clear")
        ok("tls=" not in log, "... and the log says nothing of TLS")


def test_verified():
    server = Server()
    got, log = run(server, "-s", trust="cert.pem")
    equal((got, server.bodies), ([b"250 2.0.0 taken"], [(True, b"x\n")]),
          "-s, a certificate that is trusted")
    for state, trust, host, word, name in (
            ("offered", "/dev/null", "127.0.0.1", "self-signed certificate",
             "not trusted"),
            ("offered", "cert.pem", "localhost", "ostname mismatch",
             "of another host"),
            ("no", "cert.pem", "127.0.0.1", "does not offer TLS",
             "not offered"),
            ("refused", "cert.pem", "127.0.0.1", "refuses TLS", "refused"),
            ("garbage", "cert.pem", "127.0.0.1", "TLS: ", "broken"),
            ("injected", "cert.pem", "127.0.0.1", "before TLS",
             "with more before it")):
        server = Server(state)
        got, log = run(server, "-s", trust=trust, host=host)
        ok(got[0].startswith((b"554 5.5.1", b"451 4.4.")) and not server.bodies
           and not any(line[:4] == b"MAIL" for _, line in server.said),
           "-s, " + name + ": nothing is sent")
        ok(word in log, "... and why") or print("# " + log)


def test_lost():
    server = Server("lost")
    got, log = run(server)
    ok(got[0].startswith(b"451 4.4.2"), "the server goes in the message: 451")
    ok("closed the connection" in log or "TLS: " in log, "... and why")


with Top():
    make_certificate()
    for test in (test_offered, test_clear, test_verified, test_lost):
        test()
done()
