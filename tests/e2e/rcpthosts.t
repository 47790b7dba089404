#!/usr/bin/env python3
"""rcpthosts(8): recipients whose domain is on a list, and all others."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
from filtertest import MAIL, Top, done, equal, fails, ok, run  # noqa: E402

NO = b"550 5.7.1 Relaying denied\n"
MAIL = MAIL[:MAIL.index(b"RCPT")]


def put(name, text):
    with open(name, "wb") as file:
        file.write(text)


def rcpt(address, *options):
    line = b"RCPT TO:<" + address + b">\n"
    out, log, code = run(["rcpthosts", *options], MAIL + line)
    out = out[len(MAIL):]
    return (None if out == line else out), log, code


def takes(*addresses):
    for address in addresses:
        equal(rcpt(address), (None, "", 0), "takes %r" % address)


def refuses(*addresses):
    for address in addresses:
        out, log, _ = rcpt(address)
        equal((out, log), (NO, "rcpthosts: refused rcpt=%s\n" %
                           address.decode()), "refuses %r" % address)


def test_list():
    put("control/rcpthosts", b"# ours\nTrap.Example \n.below.example\n"
        b"[192.0.2.1]\n")
    takes(b"a@trap.example", b"a@TRAP.example.", b"a@x.below.example",
          b"a@x.y.below.example", b"a@[192.0.2.1]", b"postmaster")
    refuses(b"a@x.trap.example", b"a@below.example", b"a@trap.example.org",
            b"a@xbelow.example", b"a@[192.0.2.2]", b"trap.example@example",
            b"a@example", b"x%trap.example@elsewhere.example")
    put("control/rcpthosts", b"")
    refuses(b"a@trap.example")


def test_more():
    put("control/rcpthosts", b"trap.example\n")
    put("control/morercpthosts", b"".join(
        b"Host%d.example\n.tree%d.example\n" % (i, i) for i in range(5000)))
    os.chmod("control/morercpthosts", 0o664)
    equal(run(["rcpthosts", "-c"], b""), (b"", "", 0), "-c")
    equal(sorted(os.listdir("control")), ["morercpthosts", "morercpthosts.cdb",
                                          "rcpthosts"], "... leaves one file")
    equal(oct(os.stat("control/morercpthosts.cdb").st_mode & 0o777), "0o644",
          "... with the text's mode")
    takes(b"a@trap.example", b"a@host0.EXAMPLE", b"a@host4999.example",
          b"a@x.tree77.example")
    refuses(b"a@host5000.example", b"a@tree77.example", b"a@x.host1.example")
    with open("control/morercpthosts.cdb", "r+b") as file:
        whole = file.read()
        file.truncate(2048)
    out, log, _ = rcpt(b"a@host1.example")
    ok(out.startswith(b"451 ") and "unable to read the list "
       "file=control/morercpthosts.cdb" in log, "cut off: 451")
    takes(b"a@trap.example")
    put("control/morercpthosts.cdb", whole[:2000])
    fails(["rcpthosts"], 111, "unable to read control/morercpthosts.cdb")
    os.unlink("control/morercpthosts")
    fails(["rcpthosts", "-c"], 111, "unable to read control/morercpthosts: No")
    os.unlink("control/morercpthosts.cdb")
    takes(b"a@trap.example")


def test_options():
    equal(rcpt(b"a@b", "-a", "450 4.7.1 Not now")[0], b"450 4.7.1 Not now\n",
          "-a")
    equal(rcpt(b"a@b", "-n", "relay"),
          (b"RCPT TO:<a@b> NOTE=relay\n", "rcpthosts: noted rcpt=a@b\n", 0),
          "-n")
    for wrong in (["-n", "a b"], ["-a", "250 ok"], ["x"], ["-c", "-n", "x"],
                  ["-c", "-a", "550 no"], ["-z"]):
        fails(["rcpthosts", *wrong], 100, "usage:")
    os.unlink("control/rcpthosts")
    fails(["rcpthosts"], 111, "unable to read control/rcpthosts: No such")


with Top():
    os.makedirs("control", exist_ok=True)
    test_list()
    test_more()
    test_options()
done()
