#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Wrong programs do not compile, and the compiler says why.

    wrong.py [NAME...]

Each tests/check/wrong/NAME.c begins with

    /* expect-gcc: REGEX */
    /* expect-clang: REGEX */

and must fail with that as the message of its first error, at a line of its
own: a person reads the first error and looks there. A third line
/* flags: ... */ adds flags. NAME_ok.c must compile.
"""
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools"))
from tap import Tap  # noqa: E402

HERE = os.path.join(ROOT, "tests/check/wrong")


def first_error(stderr, name):
    """(message, whether the compiler points at a line of the program)."""
    lines = stderr.split("\n")
    for i, line in enumerate(lines):
        m = re.match(r"(\S+?):(\d+):(?:\d+:)? (?:fatal )?error: (.*)", line)
        if not m:
            continue
        # The place is in the line itself, in a note of the macro expansion
        # below it, or in the quoted source; it ends at the next error.
        rest = [line]
        for after in lines[i + 1:]:
            if ": error: " in after:
                break
            rest.append(after)
        return m.group(3), any(name + ".c:" in r for r in rest)
    return None, False


def try_one(name, compiler):
    path = os.path.join(HERE, name + ".c")
    with open(path, encoding="utf-8") as f:
        head = f.read().split("\n")[:4]
    flags = []
    for line in head:
        m = re.match(r"/\* flags: (.*) \*/", line)
        if m:
            flags = m.group(1).split()
    done = subprocess.run(
        [compiler, "-std=gnu11", f"-I{ROOT}/include", *flags, "-S",
         "-o", os.devnull, path], capture_output=True, text=True,
        env={**os.environ, "LC_ALL": "C"})
    if name.endswith("_ok"):
        return [done.stderr] if done.returncode else []
    want = re.match(r"/\* expect-%s: (.*) \*/" % compiler,
                    head[0 if compiler == "gcc" else 1])
    if not want:
        return [f"no line /* expect-{compiler}: ... */"]
    if done.returncode == 0:
        return ["it compiled"]
    message, own = first_error(done.stderr, name)
    if message is None or not re.search(want.group(1), message):
        return [f"first error: {message}", f"expected:    {want.group(1)}"]
    if not own:
        return ["the first error does not point at the program:",
                done.stderr[:800]]
    return []


def main():
    tap = Tap()
    names = sys.argv[1:] or sorted(f[:-2] for f in os.listdir(HERE)
                                   if f.endswith(".c"))
    jobs = []
    for compiler in ("gcc", "clang"):
        if not shutil.which(compiler):
            tap.skip(compiler, "is not installed")
            continue
        jobs += [(n, compiler) for n in names]
    with ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        for job, problems in zip(jobs, pool.map(lambda j: try_one(*j), jobs)):
            tap.check(f"{job[0]} with {job[1]}", problems)
    tap.done()


if __name__ == "__main__":
    main()
