#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the built libraries export is what the headers declare.

    exports.py libbelay.so libbelay.a libbelay-test.a [ROOM ROOM.so ROOM.a
        ROOM-test.a]...
"""
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools"))
import csource  # noqa: E402
from tap import Tap  # noqa: E402


def defined(lib, *flags):
    out = subprocess.run(["nm", *flags, "--defined-only", "-P", lib],
                         capture_output=True, text=True, check=True).stdout
    found = set()
    for line in out.split("\n"):
        words = line.split()
        if len(words) >= 2 and words[1].isupper() and words[1] != "A":
            found.add(words[0].split("@")[0])
    return found


def check(tap, room, shared, static, test):
    of = f" ({room})" if room else ""
    declared = {n: h for n, h in csource.public_functions().items()
                if csource.library_of(h) == room}
    test_only = {n for n, h in declared.items() if csource.is_for_tests(h)}
    exported = defined(shared, "-D")
    want = set(declared) - test_only
    tap.check("declared and exported" + of, [
        f"{n} is declared, but not in the shared library"
        for n in sorted(want - exported)])
    tap.check("exported and declared" + of, [
        f"{n} is in the shared library, but in no header"
        for n in sorted(exported - want)])
    tap.check("declared and in the test library" + of, [
        f"{n} is declared, but not in the test library"
        for n in sorted(set(declared) - defined(test, "-g"))])
    tap.check("prefixes of the static library" + of, [
        f"{n} begins with neither belay_ nor bly_"
        for n in sorted(defined(static, "-g"))
        if not re.match(r"(belay_|bly_)", n)])


def main():
    tap = Tap()
    words = [None, *sys.argv[1:]]
    for i in range(0, len(words), 4):
        check(tap, *words[i:i + 4])
    tap.done()


if __name__ == "__main__":
    main()
