#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Plants known faults in the core, one at a time; the explore suite must find
each of them. Prints TAP.

    tools/mutate.py                 the unplanted tree first, then all faults
    tools/mutate.py --only NAME...  these faults
    tools/mutate.py --list          what there is
    tools/mutate.py --places        only: each fault has its place in the
                                    sources, and its tests exist
    tools/mutate.py --all NAME...   every explore test against these faults:
                                    which of them find it
    -v                              also who has found what
    -j N                            as many at a time (default: processors)
    --limit SECONDS                 for one run of a test (default 60)

The tree is copied, so that nothing is changed here. The faults are in
tests/mutations/*.txt, one file for each part of the core. A record is a block
of lines, ended by an empty one:

    name   what goes wrong, in a few words with dashes
    at     src/core/wait.c bly_wake       file and function
    tests  wait:a_cut_then_a_wake_up      program and test that must fail
    - text of the function that is replaced
    + text that takes its place
    why    why that is a fault

Both texts may go on over several lines, each with its sign. White space counts
only where words touch, so that a new layout does not matter; the text has to
stand in the function exactly once. A change of the code that makes a record
lose its place is told as a failure: move the fault along.
"""
import argparse
import glob
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from tap import Tap

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SETUP = ("meson", "setup", "bld", "tree", "-Dman=false", "-Ddebug=false")


class Fault:
    def __init__(self, part, fields):
        self.part = part
        self.name = fields["name"]
        self.path, self.function = fields["at"].split()
        self.tests = fields["tests"].split()
        self.old = fields["-"]
        self.new = fields.get("+", "")
        self.why = fields["why"]

    def __str__(self):
        return f"{self.part}: {self.name}"


def read_records(path):
    """The blocks of one file as dictionaries."""
    fields, last = {}, None
    with open(path, encoding="utf-8") as f:
        lines = f.read().split("\n") + [""]
    for number, line in enumerate(lines, 1):
        if not line.strip():
            if fields:
                yield fields
            fields, last = {}, None
        elif line.startswith("#"):
            continue
        elif line[0] in "-+":
            last = line[0]
            fields[last] = (fields[last] + "\n" if last in fields else "") \
                + line[2:]
        elif line[0] == " " and last in ("why", "tests"):
            fields[last] += " " + line.strip()
        else:
            last, _, rest = line.partition(" ")
            if last not in ("name", "at", "tests", "why") or last in fields:
                raise SystemExit(f"{path}:{number}: '{last}' is no field here")
            fields[last] = rest.strip()


def read_faults():
    faults = []
    for path in sorted(glob.glob(os.path.join(ROOT, "tests/mutations/*.txt"))):
        part = os.path.basename(path)[:-4]
        for fields in read_records(path):
            missing = {"name", "at", "tests", "-", "why"} - set(fields)
            if missing:
                raise SystemExit(f"{path}: a record lacks {sorted(missing)}: "
                                 f"{fields.get('name')}")
            faults.append(Fault(part, fields))
    return faults


# --- planting --------------------------------------------------------------


def body_of(text, function):
    """Where the function begins and ends, by the house's layout."""
    for at in re.finditer(rf"^{re.escape(function)}\(", text, re.M):
        end = text.find("\n}", at.start())
        semicolon = text.find(";", at.start())
        brace = text.find("\n{", at.start())
        if 0 <= brace and (semicolon < 0 or brace < semicolon):
            return at.start(), end
    return None


def planted(text, fault):
    """The file with the fault in it, or None and what is wrong."""
    where = body_of(text, fault.function)
    if where is None:
        return None, f"{fault.path} has no function {fault.function}"
    pattern = r"\s+".join(re.escape(w) for w in fault.old.split())
    found = list(re.finditer(pattern, text[where[0]:where[1]]))
    if len(found) != 1:
        return None, (f"the text is {len(found)} times in {fault.function} of "
                      f"{fault.path}, not once:\n{fault.old}")
    begin = where[0] + found[0].start()
    end = where[0] + found[0].end()
    return text[:begin] + fault.new + text[end:], None


class Yard:
    """A copy of the tree and what is built from it."""

    def __init__(self, top, number, limit, source=ROOT):
        self.limit = limit
        self.dir = os.path.join(top, str(number))
        self.tree = os.path.join(self.dir, "tree")
        shutil.copytree(source, self.tree, symlinks=True,
                        ignore=shutil.ignore_patterns("build", ".git"))
        done = self.command(SETUP)
        if done.returncode:
            raise SystemExit(done.stdout)

    def command(self, words, limit=600):
        return subprocess.run(words, cwd=self.dir, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True,
                              errors="replace", timeout=limit)

    def build(self, programs):
        """What the compiler said, or None."""
        targets = ["tests/explore/explore-" + p for p in programs]
        done = self.command(["ninja", "-C", "bld", *targets])
        return done.stdout if done.returncode else None

    def run(self, test):
        """Does program[:test] pass?  True, False, or None: it took too long;
        and what it said."""
        program, _, name = test.partition(":")
        words = ["bld/tests/explore/explore-" + program]
        if name:
            words.append(name)
        try:
            done = self.command(words, self.limit)
        except subprocess.TimeoutExpired:
            return None, ""
        # No such test: that is a mistake of the record, not a finding.
        if name and f" - {name}" not in done.stdout \
                and "Bail out" not in done.stdout:
            return None, done.stdout
        return done.returncode == 0, done.stdout

    def with_fault(self, fault, what):
        """Plants the fault, does what, and puts everything back."""
        path = os.path.join(self.tree, fault.path)
        with open(path, encoding="utf-8") as f:
            text = f.read()
        new, wrong = planted(text, fault)
        if wrong:
            return False, [wrong]
        try:
            with open(path, "w", encoding="utf-8") as f:
                f.write(new)
            return what(fault)
        finally:
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)

    def check(self, fault):
        """Is it found by the tests of its record?"""
        said = self.build(sorted({t.partition(":")[0] for t in fault.tests}))
        if said is not None:
            return False, ["it does not compile:", said[-2000:]]
        found = []
        for test in fault.tests:
            passed, said = self.run(test)
            if passed is None:
                return False, [f"{test} has no answer", said[-2000:]]
            if passed:
                return False, [f"it survived {test}; but:", fault.why]
            found += culprits(test.partition(":")[0], said)
        return True, found

    def survey(self, fault):
        """Which explore tests find it?"""
        programs = all_programs()
        said = self.build(programs)
        if said is not None:
            return False, ["it does not compile:", said[-2000:]]
        found = []
        for program in programs:
            passed, said = self.run(program)
            if passed is None:
                found.append(f"{program} (no end)")
            elif not passed:
                found += culprits(program, said)
        return bool(found), found


def all_programs():
    with open(os.path.join(ROOT, "tests/explore/meson.build"),
              encoding="utf-8") as f:
        return re.findall(r"^    '(\w+)',$", f.read(), re.M)


def culprits(program, said):
    """The tests that failed, by the TAP of their program."""
    failed = re.findall(r"^not ok \d+ - (\S+)", said, re.M)
    failed += [m + " (died)" for m in
               re.findall(r"^Bail out! (\w+)", said, re.M)]
    return [f"{program}:{f}" for f in failed or ["?"]]


# --- all of them -----------------------------------------------------------


def unplanted(yard, faults, tap):
    """Without a fault, every test that is named passes."""
    tests = sorted({t for f in faults for t in f.tests})
    said = yard.build(sorted({t.partition(":")[0] for t in tests}))
    if said is not None:
        tap.result(False, "the unplanted tree", [said[-2000:]])
        return False
    failed = [t for t in tests if yard.run(t)[0] is not True]
    tap.result(not failed, f"the unplanted tree: {len(tests)} tests",
               [f"{t} does not pass" for t in failed])
    return not failed


def work(yard, todo, report, survey):
    while True:
        try:
            fault = todo.get_nowait()
        except queue.Empty:
            return
        start = time.monotonic()
        try:
            answer = yard.with_fault(fault,
                                     yard.survey if survey else yard.check)
        except (OSError, subprocess.SubprocessError) as e:
            answer = False, [str(e)]
        report(fault, time.monotonic() - start, *answer)


def go(faults, args, tap):
    top = tempfile.mkdtemp(prefix="belay-mutate.")
    lock = threading.Lock()
    survived = []

    def report(fault, seconds, found, problems):
        with lock:
            tap.result(found, f"{fault} ({seconds:.1f} s)", problems)
            if args.verbose and found:
                print("".join(f"#   {p}\n" for p in problems), end="",
                      flush=True)
            if not found:
                survived.append(fault)

    try:
        first = Yard(top, 0, args.limit)
        if not args.all and not unplanted(first, faults, tap):
            return
        todo = queue.Queue()
        for fault in faults:
            todo.put(fault)
        count = max(1, min(args.jobs, len(faults)))
        yards = [first] + [Yard(top, n, args.limit, first.tree)
                           for n in range(1, count)]
        threads = [threading.Thread(target=work,
                                    args=(y, todo, report, args.all))
                   for y in yards]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        shutil.rmtree(top, ignore_errors=True)
    for fault in survived:
        print(f"# survived: {fault}")


def places(faults, tap):
    """Nothing is planted: could it be?"""
    names = [f.name for f in faults]
    for fault in faults:
        problems = []
        if names.count(fault.name) > 1:
            problems.append("another fault has this name")
        with open(os.path.join(ROOT, fault.path), encoding="utf-8") as f:
            wrong = planted(f.read(), fault)[1]
        if wrong:
            problems.append(wrong)
        for test in fault.tests:
            program, _, name = test.partition(":")
            path = os.path.join(ROOT, "tests/explore", program + ".c")
            if not os.path.exists(path):
                problems.append(f"there is no tests/explore/{program}.c")
                continue
            with open(path, encoding="utf-8") as f:
                if f"BELAY_TEST({name}," not in f.read():
                    problems.append(f"{program}.c has no test {name}")
        tap.check(str(fault), problems)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--places", action="store_true")
    parser.add_argument("--only", action="store_true")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("-v", "--verbose", action="store_true")
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--limit", type=float, default=60)
    args = parser.parse_args()
    faults = read_faults()
    if args.names:
        known = {f.name for f in faults} | {f.part for f in faults}
        for name in args.names:
            if name not in known:
                raise SystemExit(f"no such fault: {name}")
        faults = [f for f in faults
                  if f.name in args.names or f.part in args.names]
    if args.list:
        for fault in faults:
            print(f"{fault.part:8} {fault.name:40} {' '.join(fault.tests)}")
        return
    tap = Tap()
    start = time.monotonic()
    if args.places:
        places(faults, tap)
    else:
        go(faults, args, tap)
        print(f"# {len(faults)} faults, {time.monotonic() - start:.0f} s")
    tap.done()


if __name__ == "__main__":
    main()
