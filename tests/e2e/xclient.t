#!/usr/bin/env python3
"""XCLIENT: who may say it, what it changes, and what is no XCLIENT."""
import os
import re
import socket
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
from smtptest import Trap, done, is_same, ok  # noqa: E402


def talk(trap, ip="192.0.2.7"):
    return trap.connect(kind=socket.SOCK_STREAM, client={
        "PROTO": "TCP", "TCPREMOTEIP": ip, "TCPREMOTEHOST": "proxy.example"})




def send(client):
    client.say("MAIL FROM:<a@b.example>")
    client.say("RCPT TO:<c@d.example>")
    client.say("DATA")
    return client.say("x\r\n.")


def test_allowed():
    trap = Trap(xclient="# proxies\n198.51.100.0/24\n2001:db8::1\n192.0.2.7")
    for ip in ("192.0.2.7", "198.51.100.200", "2001:db8::1",
               "::ffff:192.0.2.7"):
        offer = talk(trap, ip).greet()
        ok(b"\r\n250-XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR "
           b"DESTPORT\r\n" in offer, f"offered to {ip}", offer)
    client = talk(trap)
    client.greet()
    is_same(client.say("XCLIENT NAME=mail.example ADDR=203.0.113.9 PORT=5 "
                       "HELO=real.example PROTO=ESMTP LOGIN=u+20v")[:4],
            b"220 ", "taken, with a new greeting")
    ok(send(client).startswith(b"250 "), "a message")
    control = [p for p in os.listdir(trap.queue + "/queue")]
    with open(f"{trap.queue}/queue/{control[0]}", encoding="ascii") as f:
        text = f.read()
    for line in ("ip: 203.0.113.9", "host: mail.example", "helo: real.example",
                 "ident: u v", "proto: ESMTP"):
        ok(f"\n{line}\n" in text, f"the job's {line}", text)
    client.say("QUIT")
    client.finish()
    log = trap.log()
    ok(re.search(r"xclient session=\S+ ip=192\.0\.2\.7 addr=203\.0\.113\.9",
                 log) is not None, "the log has both addresses", log)
    ok(re.search(r": end session=\S+ ip=203\.0\.113\.9 ", log) is not None,
       "then the client's", log)


def test_parts():
    trap = Trap(xclient="192.0.2.7")
    client = talk(trap)
    client.greet()
    client.say("XCLIENT ADDR=IPV6:2001:db8::5 NAME=[UNAVAILABLE]")
    client.say("XCLIENT PORT=77")
    ok(send(client).startswith(b"250 "), "a message without a new HELO")
    (control,) = os.listdir(trap.queue + "/queue")
    with open(f"{trap.queue}/queue/{control}", encoding="ascii") as f:
        text = f.read()
    ok("\nip: 2001:db8::5\n" in text and "\nhost:" not in text and
       "\nhelo:" not in text, "what was said stays, what was before goes", text)
    client.say("MAIL FROM:<a@b.example>")
    is_same(client.say("XCLIENT ADDR=1.2.3.4")[:9], b"503 5.5.1",
            "not in a transaction")
    client.say("RSET")
    for attributes in ("", " ADDR", " ADDR=x", " PORT=70000", " ADDR=1.2.3.4 x",
                       " NAME=a+0Ab", " NAME=" + "x" * 300):
        is_same(client.say("XCLIENT" + attributes)[:9], b"501 5.5.4",
                f"wrong: XCLIENT{attributes[:20]}")
    ok(send(client).startswith(b"250 "), "the session goes on")
    ok(sum("ip: 2001:db8::5" in open(f"{trap.queue}/queue/{n}").read()
           for n in os.listdir(trap.queue + "/queue")) == 2,
       "as who it was")


def test_refused():
    unknown = b"500 5.5.2 Command not recognized\r\n"
    for control in ({}, {"xclient": "192.0.2.8"}, {"xclient": "# nobody"}):
        client = talk(Trap(**control))
        ok(b"XCLIENT" not in client.greet(), f"not offered: {control}")
        is_same(client.say("XCLIENT ADDR=1.2.3.4"), unknown, "nor known")
    trap = Trap(xclient="192.0.2.7\n192.0.2.300")
    client = talk(trap)
    ok(b"XCLIENT" not in client.greet(), "a list that is wrong: nobody")
    ok("control/xclient: neither an address nor a network" in trap.log(),
       "which is logged", trap.log())
    trap = Trap(xclient="192.0.2.7")
    client = talk(trap)
    client.greet()
    client.say("XCLIENT ADDR=192.0.2.99")
    is_same(client.say("XCLIENT ADDR=192.0.2.98")[:4], b"220 ",
            "the peer is who has connected, not who he says")


test_allowed()
test_parts()
test_refused()
done()
