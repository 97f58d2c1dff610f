# SPDX-License-Identifier: MIT
"""Prints the results of a check as TAP, which Meson reads."""
import sys


class Tap:
    def __init__(self):
        self.count = 0
        self.failed = 0
        print("TAP version 13", flush=True)

    def result(self, ok, name, problems=()):
        """One result; problems is what to say about it when it failed."""
        self.count += 1
        self.failed += not ok
        print(f"{'ok' if ok else 'not ok'} {self.count} - {name}")
        if not ok:
            for problem in problems:
                for line in str(problem).rstrip().split("\n"):
                    print("#   " + line)
        sys.stdout.flush()

    def check(self, name, problems):
        """A result that is good if the list of problems is empty."""
        self.result(not problems, name, problems)

    def skip(self, name, reason):
        self.count += 1
        print(f"ok {self.count} - {name} # SKIP {reason}", flush=True)

    def done(self):
        print(f"1..{self.count}", flush=True)
        sys.exit(1 if self.failed else 0)
