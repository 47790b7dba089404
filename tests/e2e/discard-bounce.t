#!/usr/bin/env python3
"""discard-bounce(8): which messages are bounces and automatic replies."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
from filtertest import MAIL, done, equal, fails, judge, message, \
    ok, run  # noqa: E402

DISCARDED = b"250 2.0.0 discarded"

# Sender, header, the rule that decides.
BULK = "Precedence: bulk\n"
CASES = [
    ("", "Subject: hi\n", None),
    ("", "", None),
    ("mailer-daemon@x", "Subject: hi\n", None),
    ("", "Content-Type: multipart/report;\n\treport-type=delivery-status\n",
     "report"),
    ("", "content-type:MULTIPART/REPORT\n", "report"),
    ("MAILER-DAEMON@x", "Content-Type: multipart/report\n", "report"),
    ('"mailer-daemon"@x', "Content-Type: multipart/report\n", "report"),
    ("Postmaster@x", "Content-Type: multipart/report\n", "report"),
    ("postmaster", "Content-Type: multipart/report\n", "report"),
    ("postmasters@x", "Content-Type: multipart/report\n", None),
    ("a@postmaster", "Content-Type: multipart/report\n", None),
    ("a@b", "Content-Type: multipart/report\n", None),
    ("", "Content-Type: multipart/reports\n", None),
    ("", "Content-Type: multipart/mixed; x=multipart/report\n", None),
    ("", "Content-Type: multipart/report;\n report-type=feedback-report\n",
     None),
    ("", "X-Failed-Recipients: a@b\n", "failed-recipients"),
    ("", "X-Failed-Recipients:\n", None),
    ("a@b", "X-Failed-Recipients: a@b\n", None),
    ("", "Subject: failure notice\n", "bounce-subject"),
    ("", "Subject: Undelivered Mail Returned to Sender\n", "bounce-subject"),
    ("", "Subject: Mail delivery failed: returning\n", "bounce-subject"),
    ("", "Subject: Re: failure notice\n", None),
    ("a@b", "Subject: failure notice\n", None),
    ("a@b", BULK + "Subject: failure notice\n", None),
    ("", "Auto-Submitted: auto-generated\n", "auto-submitted"),
    ("", "Auto-Submitted: auto-replied\n", "auto-submitted"),
    ("", "Auto-Submitted: no\n", None),
    ("", "Auto-Submitted: No (by hand)\n", None),
    ("", "Auto-Submitted:\n", None),
    ("a@b", "Auto-Submitted: auto-generated\n", None),
    ("a@b", "Auto-Submitted: auto-replied\n", "auto-replied"),
    ("a@b", "Auto-Submitted: Auto-Replied; vacation\n", "auto-replied"),
    ("a@b", "Auto-Submitted: auto-repliedx\n", None),
    ("a@b", "X-Autoreply: yes\n", "autoreply"),
    ("a@b", "X-Autorespond:\n", "autoreply"),
    ("a@b", "X-Auto-Reply: 1\n", "autoreply"),
    ("a@b", "X-Autoreply: no\n", None),
    ("a@b", "X-Auto-Response-Suppress: All\n", None),
    ("a@b", "Precedence: auto_reply\n", "precedence"),
    ("a@b", BULK, None),
    ("a@b", "Precedence: list\nSubject: Out of office\n", None),
    ("a@b", BULK + "Subject: Out of office\n", "vacation"),
    ("a@b", "Subject: Out of office\n" + BULK, "vacation"),
    ("a@b", "Precedence: junk\nSubject: I am out of the office\n",
     "vacation"),
    ("", "Subject: Automatic reply: hi\n", "vacation"),
    ("", "Subject: =?utf-8?q?R=C3=A9ponse_automatique?=\n", "vacation"),
    ("", "Subject: =?utf-8?b?T3V0IG9m?=\n =?utf-8?b?IG9mZmljZQ==?=\n",
     "vacation"),
    ("", "Subject:\n Auto-Reply\n", "vacation"),
    ("a@b", "Auto-Submitted: auto-generated\nSubject: on vacation\n",
     "vacation"),
    ("a@b", "Subject: Automatic reply: hi\n", None),
    ("a@b", BULK + "Subject: Please confirm your message\n", "challenge"),
    ("", "Subject: [confirm 12] hi\n", "challenge"),
    ("a@b", "Subject: Please confirm your message\n", None),
    ("a@b", BULK + "Subject: Please confirm your subscription\n", None),
    ("a@b", "Subject: hi\n\nX-Autoreply: yes\n", None),
    ("a@b", "Subject: hi\n\nPrecedence: auto_reply\n", None),
]
RULES = ("report", "failed-recipients", "bounce-subject", "auto-submitted",
         "auto-replied", "autoreply", "precedence", "vacation", "challenge")


def body(header):
    return (header + ("" if "\n\n" in header else "\n") + "text\n").encode()


def log(rule, sender, answer="250 2.0.0 discarded"):
    shown = sender.replace('"', "\\x22") or '""'
    return 'discard-bounce: discarded rule=%s answer="%s" sender=%s\n' % (
        rule, answer, shown)


def rules():
    for sender, header, rule in CASES:
        name = "<%s> %r: %s" % (sender, header[:50].replace("#", ""), rule)
        got = judge(["discard-bounce"],
                    message(body(header), sender.encode()))
        equal(got, ([DISCARDED], log(rule, sender)) if rule
              else ([body(header)], ""), name)
    equal({case[2] for case in CASES} - {None}, set(RULES),
          "every rule has a case")


def choice():
    for rule in RULES:
        sender, header = [case[:2] for case in CASES if case[2] == rule][0]
        one = message(body(header), sender.encode())
        others = ",".join(other for other in RULES if other != rule)
        equal(judge(["discard-bounce", "-r", rule], one),
              ([DISCARDED], log(rule, sender)), "-r %s" % rule)
        equal(judge(["discard-bounce", "-r", others], one),
              ([body(header)], ""), "... without it")
    for wrong in (["-r", ""], ["-r", "report,"], ["-r", ",report"],
                  ["-r", "reports"], ["-r", "repor"], ["-a", "no"], ["x"]):
        fails(["discard-bounce", *wrong], 100, "usage:")
    equal(judge(["discard-bounce", "-a", "554 5.7.1 no"],
                message(b"X-Autoreply: 1\n\n")),
          ([b"554 5.7.1 no"], log("autoreply", "a@b", "554 5.7.1 no")),
          "another answer")


def held_back():
    """Not a byte goes on before the header is judged."""
    head = b"Subject: hi\nX-Autoreply: 1\n"
    split = MAIL + b"BDAT 9\nSubject: BDAT 18\nhi\nX-Autoreply: 1\n"
    equal(run(["discard-bounce"], split + b"BDAT 1\n\nBDAT 2 LAST\nx\n")[0],
          MAIL + DISCARDED + b"\n", "nothing went on: no RSET")
    equal(judge(["discard-bounce"], message(head))[0], [DISCARDED],
          "a header without an end is judged at the end")
    equal(judge(["discard-bounce"], message(b"Subject: hi"))[0],
          [b"Subject: hi"], "... and goes on")
    equal(judge(["discard-bounce"], message(b""), message(b"x\n\ny" * 9)),
          ([b"", b"x\n\ny" * 9], ""), "no header, nothing at all")
    whole = message(b"A: \0\r\377\n\nBDAT 3\nbody" * 30000)
    equal(judge(["discard-bounce"], whole)[0],
          [whole.split(b"LAST\n", 1)[1]], "any bytes go on as they came")


def limit():
    sign = b"X-Autoreply: 1\n"
    for size, answered in ((65536 - len(sign), True), (65536 - 14, True),
                           (65536, False), (65536 + 9, False)):
        fill = b"A: " + b"x" * (size - 4) + b"\n"
        whole = fill + sign + b"\ntext\n"
        # The last byte of the field's line need not be among those held.
        equal(judge(["discard-bounce"], message(whole))[0],
              [DISCARDED] if answered else [whole],
              "a field at byte %d of the header" % size)
    got, _ = judge(["discard-bounce"], message(b"x" * 200000))
    ok(got == [b"x" * 200000], "no end of a header in 200000 bytes")


def transactions():
    bounce = message(b"Subject: failure notice\n\n", b"")
    plain = message(b"Subject: failure notice\n\n", b"c@d")
    equal(judge(["discard-bounce"], bounce, plain, bounce)[0],
          [DISCARDED, b"Subject: failure notice\n\n", DISCARDED],
          "each message by its own sender")
    equal(judge(["discard-bounce"], b"XNOTE session=s1\n", MAIL,
                b"BDAT 16\nX-Autoreply: 1\n\nRSET\n", plain),
          ([b"Subject: failure notice\n\n"],
           "discard-bounce: discarded session=s1 rule=autoreply answer=\"250"
           " 2.0.0 discarded\" sender=a@b\n"), "RSET forgets")


rules()
choice()
held_back()
limit()
transactions()
done()
