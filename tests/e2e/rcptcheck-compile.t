#!/usr/bin/env python3
"""rcptcheck-compile: the compiled form gives the answers of the text, is used
only while it was made from the text as it is, and is never half written."""
import atexit
import os
import random
import re
import resource
import shutil
import subprocess
import tempfile
import time

BUILD = os.path.abspath(os.environ.get("BUILD", "build"))
COMPILE = BUILD + "/rcptcheck-compile"
CHECK = BUILD + "/rcptcheck"
DEADLINE_S = 120
# No leaks can be looked for under ptrace.
TRACED = dict(os.environ, ASAN_OPTIONS="detect_leaks=0", LC_ALL="C")
os.environ.pop("TRAPLINE_CONTROL", None)

top = tempfile.mkdtemp(prefix="trapline-rcptcheck.")
atexit.register(shutil.rmtree, top, ignore_errors=True)
os.chdir(top)
os.umask(0o022)
count = 0


def ok(passed, name, detail=""):
    global count
    count += 1
    print("ok" if passed else "not ok", count, "-", name, flush=True)
    if not passed:
        for line in str(detail).splitlines()[:40]:
            print("#", line)


def equal(got, wanted, name):
    ok(got == wanted, name, f"got:\n{got}\nwanted:\n{wanted}")


def run(*command, data="", **more):
    return subprocess.run(
        command,
        input=data.encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=DEADLINE_S,
        check=False,
        **more,
    )


def compile_rules(*arguments, **more):
    result = run(COMPILE, *arguments, **more)
    return result.returncode, result.stderr.decode()


def write(name, text):
    with open(name, "w", encoding="ascii") as f:
        f.write(text)


def decides(rules, address="a@b"):
    """What -t says about an address, and what is logged meanwhile."""
    result = run(CHECK, "-f", rules, "-t", address)
    said = result.stdout.decode().removeprefix(address + ": ").rstrip("\n")
    return said.removeprefix(rules + ":"), result.stderr.decode()


def unused(rules, problem):
    return (
        f"rcptcheck: compiled rules not used file={rules} problem={problem}\n"
    )


STALE = '"stale: run rcptcheck-compile again"'


def test_use():
    write("r", "a@b DENY x\n/(/ OK\n")
    os.chmod("r", 0o640)
    bad = (
        'bad rule rule=r:2 problem="missing closing parenthesis at offset 1"\n'
    )
    equal(
        compile_rules("r"),
        (0, "rcptcheck-compile: " + bad),
        "compile; a bad rule is named",
    )
    equal(sorted(os.listdir()), ["r", "r.cdb"], "into r.cdb, nothing else left")
    equal(os.stat("r.cdb").st_mode & 0o7777, 0o640, "with the text's mode")
    equal(
        decides("r"),
        ("1: a@b DENY x", ""),
        "it is used: nothing to say about the bad rule",
    )
    times = os.stat("r")
    write("r", "a@b DENY y\n/(/ OK\n")
    os.utime("r", ns=(times.st_atime_ns, times.st_mtime_ns))
    equal(decides("r")[0], "1: a@b DENY x", "and its rules are what counts")
    os.utime("r", ns=(times.st_atime_ns, times.st_mtime_ns + 1))
    equal(
        decides("r"),
        ("1: a@b DENY y", unused("r", STALE) + "rcptcheck: " + bad),
        "not when the text's time is another",
    )
    os.chmod("r", 0o666)
    compile_rules("r")
    equal(
        os.stat("r.cdb").st_mode & 0o7777, 0o644, "others may not write to it"
    )
    os.chmod("r.cdb", 0o666)
    equal(
        decides("r"),
        (
            "1: a@b DENY y",
            unused("r", '"others may write to it"') + "rcptcheck: " + bad,
        ),
        "it is not used if they may",
    )
    os.unlink("r.cdb")
    os.mkdir("control")
    write("control/rcptcheck", "a@b OK\n")
    equal(compile_rules(), (0, ""), "the control file is the default")
    equal(os.listdir("control").count("rcptcheck.cdb"), 1, "beside it")
    equal(compile_rules("r", "x.cdb")[0], 0, "another name")
    ok(os.path.exists("x.cdb") and not os.path.exists("r.cdb"), "is used")


def test_edits():
    """Edits at once after compiling, of one size: never unseen."""
    wrong = []
    for i in range(100):
        write("e", f"a@b DENY {i % 10}\n")
        if i % 2:
            compile_rules("e")
        write("e", f"a@b DENY {(i + 1) % 10}\n")
        said = decides("e")[0]
        if said != f"1: a@b DENY {(i + 1) % 10}":
            wrong.append(f"{i}: {said}")
    equal(wrong, [], "100 edits at once after compiling are all seen")
    write("e", "a@b DENY s\n")
    os.utime("e", (os.stat("e").st_mtime // 1,) * 2)
    compile_rules("e")
    age = time.time() - os.stat("e").st_mtime
    ok(age >= 2, "a time in whole seconds is left to be 2 s old", age)
    write("e", "a@b DENY t\n")
    with open("e.cdb", "rb") as f:
        old = f.read()
    running = subprocess.Popen(
        [CHECK, "-f", "e"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    running.stdin.write(b"MAIL FROM:<>\n")
    running.stdin.flush()
    running.stdout.readline()  # it has started
    write("e", "a@b DENY u\n")
    compile_rules("e")
    with open("e.cdb", "rb") as f:
        ok(f.read() != old, "compiled anew")
    out, _ = running.communicate(b"RCPT TO:<a@b>\n", DEADLINE_S)
    equal(out, b"550 5.1.1 t\n", "a stage that runs keeps its rules")


def test_damage():
    rules = "a@b OK [note=x]\n/^c/ DENY no\n@d OK\n/./ OK\n"
    write("d", rules)
    compile_rules("d")
    with open("d.cdb", "rb") as f:
        good = f.read()
    wrong = []
    kinds = set()
    for at in range(0, len(good), 41):
        changed = bytearray(good)
        changed[at] ^= 0xFF
        with open("d.cdb", "wb") as f:
            f.write(changed)
        said, log = decides("d")
        kinds.add(log)
        if said not in ("1: a@b OK [note=x]", "4: /./ OK") or (
            log not in ("", unused("d", "damaged"))
            and "made by another" not in log
        ):
            wrong.append(f"{at}: {said} {log}")
    equal(wrong, [], "a changed byte: the text's answer, or a hidden rule")
    ok({"", unused("d", "damaged")} <= kinds, "some damage is told", kinds)
    for size in 0, 1, 2047, 2048, len(good) // 2, len(good) - 1:
        with open("d.cdb", "wb") as f:
            f.write(good[:size])
        equal(
            decides("d"),
            ("1: a@b OK [note=x]", unused("d", "damaged")),
            f"cut to {size} bytes: the text",
        )
    with open("d.cdb", "wb") as f:
        f.write(good)
    stage = subprocess.Popen(
        [CHECK, "-f", "d"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    stage.stdin.write(b"MAIL FROM:<>\n")
    stage.stdin.flush()
    stage.stdout.readline()
    os.truncate("d.cdb", 2048)
    out, log = stage.communicate(b"RCPT TO:<c@b>\nRCPT TO:<a@b>\n", DEADLINE_S)
    equal(
        out,
        b"550 5.1.1 no\nRCPT TO:<a@b> CHECKED NOTE=x\n",
        "cut to its table in use: the text",
    )
    ok(unused("d", "damaged").strip().encode() in log, "which is told", log)
    equal(stage.returncode, 0, "and nothing crashed")


LABELS = "a b c example trap org".split()


def random_domain(rng):
    return ".".join(rng.choices(LABELS, k=rng.randint(1, 4)))


def random_address(rng):
    return rng.choice("abcdXY") + rng.choice("012 ").strip() + "@" + random_domain(rng)


def random_rule(rng):
    kind = rng.randrange(8)
    if kind < 4:
        pattern = random_address(rng)
    elif kind == 4:
        pattern = "@" + random_domain(rng)
    elif kind == 5:
        pattern = "@." + random_domain(rng) + "." + random_domain(rng)
    else:
        pattern = rng.choice(
            [
                "/^%s[0-1]?@%s/" % (rng.choice("abcd"), rng.choice(LABELS)),
                r"/\.%s\.%s$/" % tuple(rng.choices(LABELS, k=2)),
                r"/(%s)\d@.*\1/" % rng.choice("ABCD"),
            ]
        )
    code = rng.choice("OK DENY DENYSOFT DECLINED".split())
    return f"{pattern} {code} [note=n{rng.randrange(9)}] text"


def oracle(rules, address):
    """The number of the first rule that matches, found without cleverness."""
    address = address.lower()
    domain = address[address.index("@") + 1 :]
    for number, rule in enumerate(rules, 1):
        pattern = rule.split(" ")[0].lower()
        if pattern[0] == "/":
            hit = re.search(pattern[1:-1], address)
        elif pattern[:2] == "@.":
            hit = ("." + domain).endswith(pattern[1:])
        elif pattern[0] == "@":
            hit = pattern[1:] == domain
        else:
            hit = pattern == address
        if hit:
            return f"{number}: {rule}"
    return "no rule matches"


def test_same_answers():
    """Both forms against each other and against a plain search."""
    rng = random.Random(20061120)
    for size in 3, 30, 300:
        rules = [random_rule(rng) for _ in range(size)]
        addresses = [random_address(rng) for _ in range(2000)]
        write("s", "\n".join(rules) + "\n")
        if os.path.exists("s.cdb"):
            os.unlink("s.cdb")
        text = run(CHECK, "-f", "s", "-t", *addresses)
        compile_rules("s")
        compiled = run(CHECK, "-f", "s", "-t", *addresses)
        equal(
            (compiled.stdout, compiled.stderr),
            (text.stdout, b""),
            f"{size} rules: the same answers from both forms",
        )
        wanted = [oracle(rules, address) for address in addresses]
        got = [
            line.split(": ", 1)[1].removeprefix("s:")
            for line in text.stdout.decode().splitlines()
        ]
        equal(
            [x for x in zip(addresses, got, wanted) if x[1] != x[2]],
            [],
            f"{size} rules: the right answers",
        )
        ok(len(set(wanted)) > size // 8, f"of {len(set(wanted))} kinds")


def test_many():
    n = 100000
    lines = [f"user{i}@trap.example OK [note=n{i}]" for i in range(n)]
    lines[n // 2] = "/^user[0-9]*7@/ DENY seven"
    write("m", "\n".join(lines) + "\n" + lines[5].replace("OK", "DENY") + "\n")
    equal(compile_rules("m"), (0, ""), "100,000 addresses")
    numbers = [0, 5, 7, n // 2 - 3, n // 2 - 1, n // 2, n // 2 + 7, n - 3, n - 1]
    addresses = [f"user{i}@trap.example" for i in numbers]
    got = run(CHECK, "-f", "m", "-t", *addresses).stdout.decode().splitlines()
    wanted = []
    for i, address in zip(numbers, addresses):
        line = i if lines[i].startswith("user") else None
        if str(i).endswith("7") and i > n // 2:
            line = n // 2
        wanted.append(
            f"{address}: no rule matches"
            if line is None
            else f"{address}: m:{line + 1}: {lines[line]}"
        )
    equal(got, wanted, "first match among them")
    answers = run(
        CHECK,
        "-f",
        "m",
        data="MAIL FROM:<>\n"
        + "".join(f"RCPT TO:<user{i}@trap.example>\n" for i in range(n // 2)),
    ).stdout.decode()
    equal(
        answers.split("\n")[1:-1],
        [
            f"RCPT TO:<user{i}@trap.example> CHECKED NOTE=n{i}"
            for i in range(n // 2)
        ],
        "50,000 of them found in one stream",
    )
    write("m", "a@b OK first\n" + "a@b DENY later\n" * n)
    equal(compile_rules("m"), (0, ""), "100,000 times the same address")
    equal(decides("m"), ("1: a@b OK first", ""), "the first one wins")


def test_failures():
    write("f", "a@b OK\n")
    compile_rules("f")
    with open("f.cdb", "rb") as f:
        old = f.read()
    write("f", "a@b DENY\n")
    left = sorted(os.listdir())
    fatal = "rcptcheck-compile: fatal: unable to "
    equal(
        compile_rules("missing"),
        (111, fatal + "read missing: No such file or directory\n"),
        "a missing text",
    )
    equal(
        compile_rules("."),
        (111, fatal + "read .: Invalid argument\n"),
        "a directory",
    )
    code, log = compile_rules("f", "missing/x.cdb")
    ok(
        code == 111 and log.startswith(fatal + "create missing/x.cdb."),
        "no such directory",
        log,
    )
    usage = "rcptcheck-compile: usage: rcptcheck-compile [file [file.cdb]]\n"
    equal(compile_rules("a", "b", "c"), (100, usage), "too many arguments")
    equal(compile_rules("-x"), (100, usage), "no options")
    equal(
        compile_rules("x" * 5000),
        (100, "rcptcheck-compile: fatal: path too long\n"),
        "a path too long",
    )

    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    code, log = compile_rules("f", preexec_fn=small_files)
    ok(
        code == 111 and log.startswith(fatal + "write f.cdb."),
        "no room for the file",
        log,
    )
    for call, says in (
        ("write", "write f.cdb."),
        ("fchmod", "write f.cdb."),
        ("fchown", "write f.cdb."),
        ("fsync", "write f.cdb."),
        ("rename,renameat,renameat2", "rename f.cdb."),
    ):
        if not shutil.which("strace"):
            ok(True, "# SKIP no strace")
            continue
        result = run(
            *"strace -f -qq -o /dev/null -e".split(),
            f"inject={call}:error=EIO:when=1",
            COMPILE,
            "f",
            env=TRACED,
        )
        log = result.stderr.decode()
        ok(
            result.returncode == 111 and fatal + says in log,
            f"{call.split(',', maxsplit=1)[0]} fails: 111",
            log,
        )
    with open("f.cdb", "rb") as f:
        equal(f.read(), old, "after all this the old one is as it was")
    equal(sorted(os.listdir()), left, "and nothing is left behind")


test_use()
test_edits()
test_damage()
test_same_answers()
test_many()
test_failures()
print(f"1..{count}")
