#!/usr/bin/env python3
"""deliver-null: takes everything, keeps nothing, and says so."""
import subprocess
import sys

sys.path.insert(0, "tests/e2e/lib")
from dirqueue import BUILD, DEADLINE_S, answers, done, equal, message, ok  # noqa: E402

PROGRAM = BUILD + "/deliver-null"


def run(data, *arguments):
    result = subprocess.run([PROGRAM, *arguments], input=data,
                            capture_output=True, timeout=DEADLINE_S,
                            check=False)
    return result.returncode, result.stdout, result.stderr


code, out, err = run(message(b"x" * 100000) + message(b""))
equal((code, answers(out)), (0, [[b"250 2.1.5 ok", b"250 2.6.0 ok"]] * 2),
      "two messages: taken")
equal(err, b"deliver-null: dropped recipients=1 bytes=100000\n"
      b"deliver-null: dropped recipients=1 bytes=0\n", "one log line each")
_, out, _ = run(b"MAIL FROM:<>\nRCPT TO:<a@b> NOTE=spam\nRCPT TO:<c@d>\n"
                b"BDAT 3 LAST\nabc", "-n", "spam")
equal(out, b"MAIL FROM:<>\n250 2.1.5 ok\nRCPT TO:<c@d>\nBDAT 3\n"
      b"abcXNOTE queued=null\nBDAT 0 LAST\n", "-n: the others pass on")
_, out, err = run(b"MAIL FROM:<>\nRCPT TO:<c@d>\nBDAT 1 LAST\na", "-n", "x")
equal((out, err), (b"MAIL FROM:<>\nRCPT TO:<c@d>\nBDAT 1\naBDAT 0 LAST\n", b""),
      "-n: nothing of the message of others")
_, out, _ = run(message(b"a"), "-a", "550 5.1.1 no such user")
ok(out.endswith(b"\n550 5.1.1 no such user\n"), "-a")
for arguments in (("-n", "a b"), ("-a", "no code"), ("-a", "354 go on"),
                  ("-a", "550 caf\u00e9"), ("-a", "550 " + "x" * 477), ("-x",),
                  ("y",)):
    equal(run(b"", *arguments)[0], 100,
          ascii("usage: " + " ".join(arguments)[:20]))
for arguments, wanted in (
        (("-n", ""), b"-n wants a note's name, 1 to 32 of A-Z a-z 0-9 . _ -, "
         b"not an empty one"),
        (("-a", "no"), b'-a wants an answer, as "550 5.1.1 no such user", '
         b"not no")):
    equal(run(b"", *arguments)[2], b"deliver-null: usage: " + wanted + b"\n",
          "usage: what is wrong")
equal(run(b"MAIL FROM:<>\nRCPT TO:<a@b>\nBDAT 9\nunfi")[0], 111,
      "a stream that ends in the middle")
done()
