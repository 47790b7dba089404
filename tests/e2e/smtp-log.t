#!/usr/bin/env python3
"""What the log says of commands that no stage has seen."""
import re
import sys

sys.path.insert(0, "tests/e2e/lib")
from smtptest import Trap, done, is_same, ok  # noqa: E402

trap = Trap(databytes="1000")
client = trap.connect()
client.greet()
for command in ("MAIL FROM:<a b@c.example>", "MAIL FROM:<a@b.example> X=1",
                "MAIL FROM:<a@b.example> SIZE=x",
                "MAIL FROM:<a@b.example> SIZE=1001",
                "MAIL FROM:<a@b.example>", "RCPT TO:<\x80\"@d.example>",
                "RCPT TO <c@d.example>", "RCPT TO:<c@d.example>"):
    client.send(command.encode("latin-1") + b"\r\n")
    client.reply()
client.say("RSET")
for _ in range(20):
    client.say("MAIL FROM:<" + "x" * 1000)
client.say("QUIT")
client.finish()
lines = [re.sub("session=[0-9.]+ ", "", line).split(": ", 1)[1]
         for line in trap.log().splitlines()]
for line, (answer, verb, argument) in zip(lines, (
        ("501 5.1.7 Bad sender address syntax", "MAIL", '"FROM:<a b@c.example>"'),
        ("555 5.5.4 Unsupported option", "MAIL", '"FROM:<a@b.example> X=1"'),
        ("501 5.5.4 Bad parameter", "MAIL", '"FROM:<a@b.example> SIZE=x"'),
        ("552 5.3.4 Message size exceeds fixed limit", "MAIL",
         '"FROM:<a@b.example> SIZE=1001"'),
        ("501 5.1.3 Bad recipient address syntax", "RCPT",
         "TO:<\\x80\\x22@d.example>"),
        ("501 5.5.4 Syntax: RCPT TO:<address>", "RCPT", '"TO <c@d.example>"'))):
    is_same(line, f'command refused ip=192.0.2.7 answer="{answer}" verb={verb} '
            f"argument={argument}", answer)
is_same(len(lines), 11, "ten of a session, and its end")
ok("rcpt=1 refused=2 " in lines[-1], "recipients are counted", lines[-1])

trap = Trap(("rcptcheck", "deliver-dirqueue queue"),
            rcptcheck="/^no/ DENY\n/./ OK")
client = trap.connect()
client.greet()
for recipients in (("no@x.example", '"a>b"@y.example', "c@z.example"),
                   ("c@z.example",)):
    client.say("MAIL FROM:<a@b.example>")
    for recipient in recipients:
        client.say(f"RCPT TO:<{recipient}> NOTIFY=NEVER")
    client.say("DATA", "x\r\n.")
client.say("QUIT")
client.finish()
is_same(re.findall(" from=a@b.example to=([^ ]*) ", trap.log()),
        [r"\x22a>b\x22@y.example", "c@z.example"],
        "the first recipient that was taken")
ok(all(len(line) <= 520 for line in lines), "no line is longer than others")
done()
