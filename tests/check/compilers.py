#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The one-file build, and the headers in every language they promise.

    compilers.py onefile    src/belay.c with gcc and clang; the program runs
    compilers.py c          headers and examples from C11 to C23
    compilers.py cxx        the function layer from C++11 to C++20
"""
import glob
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools"))
import csource  # noqa: E402
from tap import Tap  # noqa: E402

WARN = ["-Wall", "-Wextra", "-Werror"]


def headers(lang):
    """The macros over the function layer are C, and in headers of their own
    that the others leave out in C++."""
    return [h[len("include/"):] for h in csource.public_headers()
            if lang == "c" or not h.endswith("_macros.h")]


def compile_text(cmd, text):
    done = subprocess.run([*cmd, f"-I{ROOT}/include", "-"], input=text,
                          cwd=ROOT, capture_output=True, text=True)
    return [done.stderr[:2000]] if done.returncode else []


def languages(tap, compilers, lang, standards, extra):
    jobs = []
    everything = "".join(f"#include <{h}>\n" for h in headers(lang))
    for compiler in compilers:
        if not shutil.which(compiler):
            tap.skip(compiler, "is not installed")
            continue
        for std in standards:
            cmd = [compiler, f"-std={std}", "-x", lang, *WARN, *extra,
                   "-fsyntax-only"]
            jobs.append((f"{compiler} -std={std}", cmd, everything))
    with ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        for job, problems in zip(jobs, pool.map(
                lambda j: compile_text(j[1], j[2]), jobs)):
            tap.check(job[0], problems)


def programs(tap):
    """Users compile without GNU's dialect, too.  What pedants have to turn off
    in clang says that BELAY_TASK(app) has no argument after the name."""
    examples = sorted(glob.glob(os.path.join(ROOT, "examples/[0-9]*.c")))
    for compiler in ("gcc", "clang"):
        if not shutil.which(compiler):
            tap.skip(compiler, "is not installed")
            continue
        for std in ("c11", "c17", "c2x"):
            done = subprocess.run(
                [compiler, f"-std={std}", "-D_GNU_SOURCE", *WARN,
                 "-Wpedantic", "-Wno-gnu-zero-variadic-macro-arguments",
                 "-isystem", os.path.join(ROOT, "include"),
                 "-fsyntax-only", *examples], capture_output=True, text=True)
            tap.check(f"examples, {compiler} -std={std}",
                      [done.stderr[:2000]] if done.returncode else [])


def one_file(tap):
    app = os.path.join(ROOT, "tests/install/app.c")
    with tempfile.TemporaryDirectory() as tmp:
        for compiler in ("gcc", "clang"):
            exe = os.path.join(tmp, compiler)
            done = subprocess.run(
                [compiler, "-std=gnu11", *WARN, "-Iinclude", "-Isrc", app,
                 "src/belay.c", "-pthread", "-o", exe], cwd=ROOT,
                capture_output=True, text=True)
            problems = [done.stderr[:3000]] if done.returncode else []
            if not problems:
                done = subprocess.run([exe], capture_output=True, text=True,
                                      timeout=60)
                if done.returncode or done.stdout != "belay: 42\n":
                    problems = [f"exit {done.returncode}, printed "
                                f"{done.stdout!r} {done.stderr!r}"]
            tap.check(f"one file, {compiler}", problems)


def main():
    tap = Tap()
    word = sys.argv[1]
    if word == "onefile":
        one_file(tap)
    elif word == "c":
        languages(tap, ["gcc", "clang"], "c",
                  ["c11", "gnu11", "c17", "gnu17", "c2x", "gnu2x"], [])
        programs(tap)
    elif word == "cxx":
        languages(tap, ["g++", "clang++"], "c++",
                  ["c++11", "c++14", "c++17", "c++20", "c++2b"], [])
    tap.done()


if __name__ == "__main__":
    main()
