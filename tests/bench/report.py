"""The benchmark's table and bar chart."""
import os
import platform
import subprocess
import sys
import time
from dataclasses import dataclass

OURS = "trapline"
SPAWNED = "trapline-spawned"
FORKSERVER = "qpsmtpd"


@dataclass
class Run:
    rows: tuple
    servers: list
    left_out: list
    table: dict  # (row, name): (messages/s, CPU ms, note) or why not
    rounds: int
    run_ms: int
    by_cgroup: bool
    in_memory: bool


def size_name(size):
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size >> 10} KiB"


def row_name(row):
    many = "1" if row[0] == 1 else "many"
    return f"{many}, {size_name(row[1])}, {row[2]}"


def cell(value):
    if isinstance(value, str):
        return "FAILED"
    rate, cpu_ms, note = value
    mark = "*" if note else ""
    return f"{rate:,.0f}{mark} {cpu_ms:.{2 if cpu_ms < 10 else 1}f}"


def grid(run):
    head = ["messages/conn, size, clients"] + [s.name for s in run.servers]
    lines = [[row_name(row)] + [cell(run.table[row, s.name]) for s in run.servers]
             for row in run.rows]
    widths = [max(map(len, column)) for column in zip(head, *lines)]
    for line in [head] + lines:
        yield line[0].ljust(widths[0]) + "".join(
            "  " + text.rjust(width) for text, width in zip(line[1:], widths[1:]))


def machine():
    model = "unknown processor"
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
    return (f"{os.cpu_count()} x {model}, {memory} GiB, "
            f"{platform.system()} {platform.release()}")


def peers(run, row):
    """Of other projects, what a row has: name: (messages/s, CPU ms)."""
    return {s.name: run.table[row, s.name] for s in run.servers
            if s.name not in (OURS, SPAWNED)
            and not isinstance(run.table[row, s.name], str)}


def wanted_ratio(row):
    """Times the messages/s of the best peer, None: no target."""
    if row[1] > 4096:
        return 2.0
    if row[0] > 1:
        return 1.3
    return 3.0 if row[2] in (20, 100) else None


def verdict(met):
    return "met" if met else "MISSED"


def targets(run):
    for row in run.rows:
        ours = run.table.get((row, OURS), "")
        others = peers(run, row)
        if isinstance(ours, str) or not others:
            continue
        best = max(others, key=lambda name: others[name][0])
        ratio = ours[0] / others[best][0]
        wanted = wanted_ratio(row)
        aim = f", wanted {wanted}: {verdict(ratio >= wanted)}" if wanted else ""
        yield f"{row_name(row)}: {ratio:.2f} x the messages/s of {best}{aim}"
        if wanted != 3.0:
            continue
        least = min(others, key=lambda name: others[name][1])
        share = ours[1] / max(others[least][1], 1e-9)
        yield (f"{row_name(row)}: {share:.2f} x the CPU of {least}, wanted below "
               f"1: {verdict(share < 1)}")
        if FORKSERVER in others:
            part = others[FORKSERVER][1] / max(ours[1], 1e-9)
            yield (f"{row_name(row)}: 1/{part:.1f} of the CPU of "
                   f"qpsmtpd-forkserver, wanted 1/25: {verdict(part >= 25)}")


def text(run):
    yield "Messages/s and, after it, the server's CPU ms a message; medians of"
    yield (f"{run.rounds} interleaved rounds of {run.run_ms} ms. Messages answered"
           " 250 and not stored: FAILED.")
    yield "*: clients were refused, hung up on or left without an answer; see below."
    yield ""
    yield from grid(run)
    yield ""
    yield from targets(run)
    yield ""
    for server in run.servers:
        yield f"{server.name}: {server.version}; {server.does}"
    for reason in run.left_out:
        yield f"left out: {reason}"
    for (row, name), value in run.table.items():
        if isinstance(value, str):
            yield f"FAILED: {name}: {row_name(row)}: {value}"
        elif value[2]:
            yield f"*: {name}: {row_name(row)}: {value[2]}"
    yield ""
    yield f"machine: {machine()}; load and servers on the same"
    yield "queues: " + ("tmpfs" if run.in_memory else "no /dev/shm: on disk")
    yield "CPU: " + ("cgroup" if run.by_cgroup else
                     "/proc of the servers' processes and their children")
    yield time.strftime("date: %Y-%m-%d %H:%M UTC", time.gmtime())
    yield "command: " + " ".join(["tests/bench/bench"] + sys.argv[1:])


def chart_rows(run):
    return [row for row in run.rows if row[2] == 20] or list(run.rows)


def chart_script(run, directory):
    """gnuplot's: both halves have a cluster for each row, a bar for each peer."""
    names = [s.name for s in run.servers]
    plots = ", ".join(
        f"'' using (column({{base}}+{i})):xticlabels(1) title '{name}'"
        for i, name in enumerate(names))
    rate = plots.replace("{base}", "2").replace("''", "$data", 1)
    cpu = plots.replace("{base}", str(2 + len(names))).replace("''", "$data", 1)
    lines = ["$data << END"]
    for row in chart_rows(run):
        cells = [run.table[row, name] for name in names]
        lines.append(" ".join([f'"{row_name(row)}"'] + [
            "NaN" if isinstance(value, str) else f"{value[i]:.4f}"
            for i in (0, 1) for value in cells]))
    date = time.strftime("%Y-%m-%d", time.gmtime())
    lines += [
        "END",
        "set terminal svg size 1200,800 font 'sans,13' background 'white'",
        f"set output '{directory}/chart.svg'",
        f"set multiplot layout 2,1 title '{machine()}, {date}' noenhanced",
        "set style data histogram", "set style histogram clustered gap 1",
        "set style fill solid 0.9 border -1", "set grid ytics",
        "set linetype 9 linecolor rgb 'gray50'", "set linetype cycle 9",
        "set logscale y", "set key outside right noenhanced",
        "set xlabel 'messages a connection, size, clients'",
        "set ylabel 'messages/s'", f"plot {rate}",
        "set ylabel 'CPU ms a message'", f"plot {cpu}", "unset multiplot"]
    return "\n".join(lines) + "\n"


def write(directory, run):
    os.makedirs(directory, exist_ok=True)
    table = "\n".join(text(run)) + "\n"
    with open(directory + "/table.txt", "w", encoding="utf-8") as f:
        f.write(table)
    print("\n" + table)
    try:
        subprocess.run(["gnuplot", "-"], input=chart_script(run, directory),
                       text=True, check=True)
        print(f"bench: {directory}/table.txt and {directory}/chart.svg")
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"bench: {directory}/table.txt; no chart: {error}")
