#!/usr/bin/env python3
"""unwrap(8): messages inside of messages become jobs of their own, byte for
byte."""
import base64
import os
import quopri
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
from dirqueue import files, jobs  # noqa: E402
from filtertest import MAIL, Top, done, equal, fails, judge, message, \
    ok, run  # noqa: E402

CORPUS = os.path.realpath(os.path.join(
    os.environ.get("BUILD", "build"), "corpus"))
SAMPLE = b"From: a@b\nSubject: x\n\nbody\n\n"


def multipart(*parts, boundary=b"=_b", kind=b"mixed", end=b"--\n"):
    text = (b"Subject: fwd\nMIME-Version: 1.0\nContent-Type: multipart/" + kind
            + b';\n\tboundary="' + boundary + b'"\n\npreamble\n')
    for part in parts:
        text += b"\n--" + boundary + b"\n" + part
    return text + b"\n--" + boundary + end


def attached(text, fields=b""):
    return b"Content-Type: message/rfc822\n" + fields + b"\n" + text


def found():
    """The bodies of all jobs, in order; the queue is empty then."""
    all_jobs = jobs("q")
    bodies = [all_jobs[name][1] for name in sorted(all_jobs)]
    for name in files("q"):
        os.unlink("q/" + name)
    return bodies


def lifts(text, wanted, name, *arguments):
    (got,), _ = judge(["unwrap", *arguments, "q"], message(text))
    equal((got, found()),
          (b"250 2.6.0 unwrapped, %d message%s"
           % (len(wanted), b"" if len(wanted) == 1 else b"s"), wanted), name)


def passes(text, name):
    (got,), log = judge(["unwrap", "q"], message(text))
    equal((got, log, found()), (text, "", []), name)


def test_forms():
    plain = b"Content-Type: text/plain\n\nhello\n"
    lifts(multipart(plain, attached(SAMPLE)), [SAMPLE], "an attachment")
    lifts(b"Content-type: Message/RFC822\n\n" + SAMPLE, [SAMPLE],
          "nothing but a message")
    lifts(multipart(attached(SAMPLE + b"1"), plain, attached(SAMPLE + b"2")),
          [SAMPLE + b"1", SAMPLE + b"2"], "two")
    lifts(multipart(multipart(plain, attached(SAMPLE), boundary=b"=_b-inner")),
          [SAMPLE], "deeper, with a boundary that begins like the outer one")
    inner = multipart(plain, attached(SAMPLE))
    lifts(multipart(attached(inner), boundary=b"outer"), [inner],
          "what is in it stays in it")
    lifts(multipart(b"\n" + SAMPLE, plain, kind=b"digest"), [SAMPLE],
          "a digest")
    lifts(multipart(attached(SAMPLE), end=b""), [SAMPLE, b""][:1],
          "no last boundary, but one that is not the last")
    cut = multipart(attached(SAMPLE))
    lifts(cut[:cut.rindex(b"\n--=_b")], [SAMPLE], "no boundary at the end")
    crlf = multipart(attached(SAMPLE)).replace(b"\n", b"\r\n")
    lifts(crlf, [SAMPLE.replace(b"\n", b"\r\n")], "CRLF stays CRLF")
    lifts(multipart(attached(bytes(range(256)) * 3)), [bytes(range(256)) * 3],
          "bytes of all kinds")
    lifts(b"Content-Type: multipart/mixed (a ; boundary=no);\n charset=x ;"
          b"\n BOUNDARY = a_b ; c=d\n\n--a_b  \n" + attached(SAMPLE)
          + b"\n--a_b--", [SAMPLE], "comments, blanks, a boundary unquoted")
    lifts(b"Content-Type: multipart/mixed; boundary=\"a\\\"\\b\"\n\n--a\"b\n"
          + attached(SAMPLE) + b"\n--a\"b--", [SAMPLE], "a boundary in quotes")


def test_encodings():
    coded = base64.encodebytes(SAMPLE.replace(b"\n", b"\r\n"))
    lifts(multipart(attached(coded, b"Content-Transfer-Encoding: BASE64\n")),
          [SAMPLE], "base64")
    lifts(multipart(attached(b"-\n\0" + coded[:20] + b"*" + coded[20:],
                             b"Content-Transfer-Encoding: base64\n")),
          [SAMPLE], "base64 with other bytes in it")
    body = b"From: a\n\n\xe4=\n" + b"x" * 200 + b" \n=\n"
    lifts(multipart(attached(quopri.encodestring(body),
                             b"Content-Transfer-Encoding: quoted-printable\n")),
          [body], "quoted-printable")
    lifts(multipart(attached(b"=4 =zz==41=\r\n=\n=3d=",
                             b"Content-Transfer-Encoding: quoted-printable\n")),
          [b"=4 =zz=A=="], "quoted-printable that is none")
    large = os.urandom(300000)
    lifts(multipart(attached(base64.encodebytes(large).replace(b"\n", b"\r\n"),
                             b"Content-Transfer-Encoding: base64\n")),
          [large.replace(b"\r\n", b"\n")], "a large one")


def test_passed():
    passes(SAMPLE, "plain")
    passes(b"", "nothing at all")
    passes(b"\n", "an empty line")
    passes(multipart(b"Content-Type: text/plain\n\nhello\n"), "no message")
    passes(multipart(b"Content-Type: message/delivery-status\n\nx\n"),
           "another kind of message")
    passes(b"Content-Type: multipart/mixed\n\n--\n" + attached(SAMPLE),
           "no boundary")
    passes(b"Content-Type: multipart/mixed; boundary=\"" + b"x" * 201
           + b"\"\n\n--" + b"x" * 201 + b"\n" + attached(SAMPLE),
           "a boundary without end")
    passes(b"Content-Type: multipart/mixed; boundary=b\n\n --b\n--bc\n"
           + attached(SAMPLE), "no line is the boundary")
    passes(b"X: y\nContent-Type: multipart/mixed; boundary=-\n\n"
           + b"-" * 300000, "dashes")


def test_bounds():
    nested = attached(SAMPLE)
    for depth in range(16):
        nested = multipart(nested, boundary=b"b%d." % depth)
    lifts(nested, [SAMPLE], "16 levels")
    passes(multipart(nested, boundary=b"b"), "but not 17")
    many = [SAMPLE + b"%d" % i for i in range(105)]
    lifts(multipart(*map(attached, many)), many[:100], "100, but not more")
    text = multipart(attached(SAMPLE + b"x" * 70000))
    (got,), log = judge(["unwrap", "-b", "70000", "q"], message(text))
    equal((got, log), (text, "unwrap: too big to unwrap most=70000\n"),
          "what is too big passes")
    lifts(text, [SAMPLE + b"x" * 70000], "at the limit", "-b", str(len(text)))


def test_jobs():
    stream = (b"XCLIENT ADDR=192.0.2.1 HELO=h\nXNOTE session=1.2.3\n"
              b"XNOTE unwrapped=7/8\nXNOTE k=v\n")
    text = multipart(attached(SAMPLE), attached(SAMPLE))
    out, log, code = run(["unwrap", "q"], stream + message(text))
    equal((code, log.count("unwrap: unwrapped session=1.2.3 id=")), (0, 2),
          "a line in the log for each")
    all_jobs = jobs("q")
    first = all_jobs[sorted(all_jobs)[0]][0]
    equal([first[k] for k in (b"ip", b"helo", b"mail_from", b"rcpt_to",
                              b"session", b"k", b"unwrapped")],
          [b"192.0.2.1", b"h", b"a@b", b"c@d", b"1.2.3", b"v", b"1/2"],
          "jobs have the envelope, and their place")
    found()
    (got,), _ = judge(["unwrap", "-c", "q"], message(text))
    equal((got, found()), (text, [SAMPLE, SAMPLE]), "-c passes it on as well")
    equal(judge(["unwrap", "-a", "550 5.7.1 thanks", "q"], message(text))[0],
          [b"550 5.7.1 thanks"], "-a")
    found()
    equal(judge(["unwrap", "q"], message(SAMPLE), message(text),
                message(b"y"))[0],
          [SAMPLE, b"250 2.6.0 unwrapped, 2 messages", b"y"],
          "one after another")
    found()
    equal(run(["unwrap", "q"], MAIL + b"BDAT 3\nabcRSET\n")[0],
          MAIL + b"RSET\n", "RSET")
    equal(files("q"), [], "leaves nothing")
    (got,), log = judge(["unwrap", "away"], message(text))
    ok(got.startswith(b"451 ") and "storage failed" in log, "no queue: 451")
    (got,), log = judge(["unwrap", "q"], message(text + b"x" * 65536),
                        env={"TMPDIR": "/nowhere"})
    ok(got.startswith(b"451 ") and "temporary file failed" in log,
       "no place for temporary files: 451")
    for arguments in ((), ("q", "q"), ("-b", "0", "q"), ("-a", "x", "q"),
                      ("-c", "-a", "250 ok", "q"), ("-p", "100", "q")):
        fails(["unwrap", *arguments], 100, "usage: ")


def test_corpus():
    """Real messages, wrapped and unwrapped."""
    samples = []
    for directory, _, names in os.walk(CORPUS):
        for name in sorted(n for n in names if n.endswith(".txt"))[::50]:
            with open(os.path.join(directory, name), "rb") as f:
                samples.append(f.read().replace(b"\r\n", b"\n"))
    samples = [s for s in samples if b"\n--=_never" not in s]
    texts = [multipart(attached(s), boundary=b"=_never") for s in samples]
    judge(["unwrap", "q"], *map(message, texts))
    equal((len(samples) > 20, found()), (True, samples),
          "%d real messages are as they were" % len(samples))


with Top():
    os.mkdir("q")
    for test in (test_forms, test_encodings, test_passed, test_bounds,
                 test_jobs, test_corpus):
        test()
done()
