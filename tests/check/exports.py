#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the built libraries export is what the headers declare.

    exports.py libbelay.so libbelay.a libbelay-test.a
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


def main():
    shared, static, test = sys.argv[1:4]
    tap = Tap()
    declared = {n: h for n, h in csource.public_functions().items()
                if csource.library_of(h) is None}
    test_only = {n for n, h in declared.items() if csource.is_for_tests(h)}
    exported = defined(shared, "-D")
    want = set(declared) - test_only
    tap.check("declared and exported", [
        f"{n} is declared, but not in the shared library"
        for n in sorted(want - exported)])
    tap.check("exported and declared", [
        f"{n} is in the shared library, but in no header"
        for n in sorted(exported - want)])
    tap.check("declared and in the test library", [
        f"{n} is declared, but not in the test library"
        for n in sorted(set(declared) - defined(test, "-g"))])
    tap.check("prefixes of the static library", [
        f"{n} begins with neither belay_ nor bly_"
        for n in sorted(defined(static, "-g"))
        if not re.match(r"(belay_|bly_)", n)])
    tap.done()


if __name__ == "__main__":
    main()
