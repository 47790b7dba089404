"""The load client: built from load.c, run, and what it counted."""
import os
import subprocess

from server import BUILD, TOP

PROGRAM = os.path.join(BUILD, "bench/load")


def build():
    os.makedirs(os.path.dirname(PROGRAM), exist_ok=True)
    with open(TOP + "/conf-cc", encoding="ascii") as f:
        compiler = f.readline().split()
    sources = ["tests/bench/load.c", "tests/bench/loadconnection.c"]
    subprocess.run(compiler + ["-I.", "-D_GNU_SOURCE", "-o", PROGRAM, *sources],
                   cwd=TOP, check=True)


def start(port, *options):
    return subprocess.Popen([PROGRAM, *map(str, options), str(port)],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            text=True)


def counted(line):
    return {key: int(value) for key, _, value in
            (word.partition("=") for word in line.split())}


def run(port, *options):
    process = start(port, *options)
    try:
        text = process.communicate(timeout=1200)[0]
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if process.returncode != 0:
        raise RuntimeError("the load client failed")
    return counted(text.strip().split("\n")[-1])
