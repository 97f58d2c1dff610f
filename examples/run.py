#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs an example and compares what it prints.

    run.py PROGRAM EXPECTED

A line of EXPECTED that begins with ~ is a regular expression. The last line
may be "exit N", or "abort", if the program does not end with 0.
"""
import re
import shlex
import signal
import subprocess
import sys


def expected(path):
    with open(path, encoding="utf-8") as f:
        lines = f.read().splitlines()
    status = 0
    if lines and re.fullmatch(r"exit \d+", lines[-1]):
        status = int(lines.pop().split()[1])
    elif lines and lines[-1] == "abort":
        lines.pop()
        status = -signal.SIGABRT
    return lines, status


def same(want, have):
    if want.startswith("~"):
        return re.fullmatch(want[1:].strip(), have) is not None
    return want == have


def main():
    program, path = sys.argv[-2:]
    want, status = expected(path)
    done = subprocess.run(sys.argv[1:-1], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=50)
    have = done.stdout.splitlines()
    print("TAP version 13\n1..1")
    good = (done.returncode == status and len(want) == len(have)
            and all(map(same, want, have)))
    print(f"{'ok' if good else 'not ok'} 1 - {shlex.quote(program)}")
    if not good:
        print(f"# exit {done.returncode}, expected {status}")
        for i in range(max(len(want), len(have))):
            w = want[i] if i < len(want) else None
            h = have[i] if i < len(have) else None
            mark = " " if None not in (w, h) and same(w, h) else "!"
            print(f"# {mark} {h!r}" + (f" expected {w!r}" if mark == "!"
                                       else ""))
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
