#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Timelines of a known program, read without belay's help.

    timeline.py TRACED

TRACED is the program of traced.c.
"""
import os
import re
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../../tools")]
import perfetto  # noqa: E402
from tap import Tap  # noqa: E402


def run(cmd, path, **env):
    done = subprocess.run(cmd, env={**os.environ, **env}, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=50)
    if done.returncode or done.stdout:
        raise perfetto.Bad(f"{cmd}: exit {done.returncode}: {done.stdout}")
    with open(path, "rb") as f:
        return f.read()


class Story:
    """What must be in the trace of `traced story`, whatever the timing."""

    def __init__(self, trace):
        self.trace = trace
        self.bad = []

    def expect(self, good, text):
        if not good:
            self.bad.append(text)

    def waits(self, task):
        return [n for n, _, _ in self.trace.slices(task)]

    def arrows(self, name):
        """(name of the source, the track it leads to, its event)."""
        ends = {f: e for e in self.trace.events for f in e.flow_ends}
        return [(e, ends[f]) for e in self.trace.events for f in e.flow
                if re.fullmatch(name, e.name)]

    def result(self, task):
        ends = [e for e in self.trace.of(task)
                if e.type == perfetto.END and "result" in e.notes]
        return ends[0].notes["result"] if len(ends) == 1 else None

    def track(self, event):
        return self.trace.tracks[event.track].split(" ")[0]

    def check(self):
        names = sorted(n.split(" ")[0] for n in self.trace.tracks.values())
        self.expect(names == sorted(
            ["traced", "story", "left", "right", "near", "far", "late",
             "broken", "holder", "borrower"]), f"tracks: {names}")
        scopes = [n for n, _, _ in self.trace.slices("story #")
                  if n.startswith("scope ")]
        self.expect(scopes == ["scope " + n for n in (
            "pair", "cancelled", "timed", "failed", "locks", "loan")],
            f"scopes: {scopes}")
        self.pair()
        self.cuts()
        self.rest()
        return self.bad

    def pair(self):
        wire = re.compile(r"(send|recv) channel 'wire' of .*traced\.c:\d+")
        who = [t for t in ("left", "right")
               if any(wire.fullmatch(n) for n in self.waits(t + " #"))]
        self.expect(len(who) == 1, f"who waits at the wire: {who}")
        wakes = [self.track(s) for s, e in self.arrows(r"wake .*")
                 if self.track(e) in who]
        self.expect(sorted(wakes + who) == ["left", "right"],
                    f"{who} woken by {wakes}")
        marks = [e.name for e in self.trace.of("left #")
                 if e.category == "mark"]
        self.expect(marks == ['<left & "right">'], f"marks: {marks}")
        spawns = sorted(self.track(e) for s, e in self.arrows("spawn .*")
                        if self.track(s) == "story")
        self.expect(spawns == sorted(
            ["left", "right", "near", "far", "late", "broken", "holder",
             "borrower"]), f"spawned by story: {spawns}")

    def cuts(self):
        cut = sorted((self.track(s), self.track(e))
                     for s, e in self.arrows("cut .*"))
        self.expect(cut == [("story", "far"), ("story", "late"),
                            ("story", "near")], f"cuts: {cut}")
        points = [e.name for e in self.trace.events
                  if e.type == perfetto.INSTANT and
                  re.match("cut (scope|task)", e.name)]
        self.expect(points == [
            "cut scope cancelled: Operation canceled",
            "cut scope timed: deadline passed",
            "cut scope failed: Operation canceled"], f"cuts: {points}")
        for task in ("near", "far", "late"):
            self.expect("sleep" in self.waits(task + " #"),
                        f"{task}: {self.waits(task + ' #')}")
        results = [self.result(t + " #") for t in (
            "near", "far", "late", "broken", "left", "right", "story")]
        self.expect(results == [-125, -125, -62, -5, 0, 0, 0],
                    f"results: {results}")

    def rest(self):
        waits = self.waits("story #")
        for want in (r"event( .*)?|wait( .*)?",
                     r"lock mutex locked at .*traced\.c:\d+",
                     r"join scope 'pair'",
                     r"join scope 'loan'|join: lends its stack to borrower"):
            self.expect(any(re.fullmatch(want, n) for n in waits),
                        f"no wait '{want}' in {waits}")
        states = [n for n in self.waits("borrower #")]
        self.expect(states == ["not started", "run", "ready", "run",
                               "borrower"], f"borrower: {states}")
        ranks = [self.trace.ranks[u] for u in self.trace.tracks
                 if self.trace.ranks[u] is not None]
        self.expect(ranks == list(range(9)), f"ranks: {ranks}")


def read(data):
    trace = perfetto.Trace(data)
    return trace, perfetto.problems(trace)


def check_story(tap, program, tmp):
    path = os.path.join(tmp, "story.pftrace")
    try:
        trace, bad = read(run([program, "story"], path, BELAY_TIMELINE=path))
        tap.check("a trace of a known program", bad)
        tap.check("what it tells", Story(trace).check())
    except perfetto.Bad as e:
        tap.check("a trace of a known program", [e])


def check_storm(tap, program, tmp):
    path = os.path.join(tmp, "storm.pftrace")
    try:
        trace, bad = read(run([program, "storm", path], path))
        if not any("events are lost" in (e.name or "") for e in trace.events):
            bad.append("nothing was lost")
        tap.check("a trace that begins anywhere", bad)
    except perfetto.Bad as e:
        tap.check("a trace that begins anywhere", [e])


def main():
    tap = Tap()
    with tempfile.TemporaryDirectory(prefix="belay-timeline-") as tmp:
        check_story(tap, sys.argv[1], tmp)
        for _ in range(5):
            check_storm(tap, sys.argv[1], tmp)
        tap.check("nothing is left beside the files", [
            f for f in os.listdir(tmp) if not f.endswith(".pftrace")])
    tap.done()


if __name__ == "__main__":
    main()
