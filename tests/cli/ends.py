# SPDX-License-Identifier: MIT
"""How a run of belay fetch ends before its time, and goes on later.

What is under way when it ends waits for a gate, so that it is under way.
"""
import json
import os
import re
import signal
import subprocess
import sys

from lab import ROOT, Lab, end, main, page

BELAY = sys.argv[1]


def interrupted():
    """A signal: no partial file, a summary, and the signal as the status"""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        with Lab(BELAY) as lab:
            p = lab.start("fetch", "-o", lab.path("d"), "--name", "{file}",
                          "--journal", lab.path("j"), f"{lab.url}/page/1",
                          *(f"{lab.url}/half/{i}" for i in range(2, 9)))
            assert b"/page/1" in p.stdout.readline()
            lab.wait(7, what=lab.halves)
            p.send_signal(number)
            got = end(p)
            assert got.status == -number, got
            assert lab.files("d") == {"1": page("1")}
            assert len([x for x in got.lines if x.startswith("cancelled")]) \
                == 7, got
            assert "interrupted" in got.err and "7 cut short" in got.err, got


def ignored():
    """A signal that is ignored from the start (nohup) stays ignored"""
    with Lab(BELAY) as lab:
        p = lab.start("fetch", f"{lab.url}/hold/1", preexec_fn=lambda:
                      signal.signal(signal.SIGHUP, signal.SIG_IGN))
        lab.wait(1)
        p.send_signal(signal.SIGHUP)
        lab.gate.set()
        assert end(p).status == 0


def first_failure():
    """--fail-fast: the first failure ends it, status 3"""
    with Lab(BELAY) as lab:
        got = lab.fetch("--fail-fast", "-o", lab.path("d"),
                        f"{lab.url}/half/1", f"{lab.url}/status/404",
                        *(f"{lab.url}/hold/{i}" for i in range(100)))
        assert got.status == 3, got
        assert lab.files("d") == {} and "first failure" in got.err, got


def too_many():
    """--max-failures: more than N, or than N% of twenty at least, end it"""
    with Lab(BELAY) as lab:
        def run(n, bad, good):
            return lab.fetch("--max-failures", n, "--allow-duplicates",
                             *[f"{lab.url}/status/404"] * bad,
                             *[f"{lab.url}/page/1"] * good).status
        assert run("3", 3, 5) == 1
        assert run("3", 4, 5) == 3
        assert run("0", 1, 0) == 3
        assert run("50%", 19, 0) == 1
        assert run("50%", 20, 0) == 3
        assert run("50%", 10, 10) == 1


def no_reader():
    """Nobody reads stdout: the run ends, as by SIGPIPE"""
    with Lab(BELAY) as lab:
        p = lab.start("fetch", f"{lab.url}/page/1", f"{lab.url}/hold/2",
                      f"{lab.url}/half/3")
        assert b"/page/1" in p.stdout.readline()
        lab.wait(3)
        p.stdout.close()
        lab.gate.set()
        assert p.wait() == -signal.SIGPIPE
        p.stderr.close()


def blocked():
    """Nobody reads, but stdout is open: the deadline ends it all the same"""
    with Lab(BELAY) as lab:
        with open(lab.path("list"), "w", encoding="utf-8") as f:
            f.write("x:\n" * 20000)  # far more lines than a pipe holds
        for how, ends in ((["--deadline", "1s"], 4), ([], -signal.SIGINT),
                          (["-q"], -signal.SIGINT)):
            p = lab.start("fetch", *how, "-i", lab.path("list"))
            assert p.stdout.readline()
            if ends < 0:
                p.send_signal(signal.SIGINT)
            assert p.wait() == ends, p.returncode
            p.stdout.close()
            p.stderr.close()


def full_disk():
    """stdout on a full disk: status 5, and it says so"""
    with Lab(BELAY) as lab:
        with open("/dev/full", "wb") as full:
            got = lab.fetch(f"{lab.url}/page/1", f"{lab.url}/page/2",
                            stdout=full)
        assert got.status == 5 and "stdout: " in got.err, got


def closed_streams():
    """Without stdin, stdout or stderr no file is taken for one of them"""
    with Lab(BELAY) as lab:
        for fd in (0, 1, 2):
            got = lab.fetch("-o", lab.path("d"), "--name", "f",
                            f"{lab.url}/page/1", preexec_fn=lambda n=fd:
                            os.close(n))
            assert got.status in (0, 5), got
            assert lab.files("d") in ({}, {"f": page("1")})


def resumed():
    """A journal: what is done is left out, what failed is tried again"""
    with Lab(BELAY) as lab:
        args = ("--journal", lab.path("j"), *(f"{lab.url}/page/{i}"
                for i in range(10)), f"{lab.url}/status/404")
        assert lab.fetch(*args).status == 1
        got = lab.fetch(*args)
        assert got.status == 5 and "--resume" in got.err, got
        got = lab.fetch(*args, "--resume", f"{lab.url}/page/10")
        assert len(got.lines) == 2 and "10 done before" in got.err, got
        assert all(lab.seen(f"/page/{i}") == 1 for i in range(11))
        assert lab.seen("/status/404") == 2


def one_at_a_time():
    """A journal that another run has is not touched"""
    with Lab(BELAY) as lab:
        p = lab.start("fetch", "--journal", lab.path("j"), f"{lab.url}/hold/1")
        lab.wait(1)
        got = lab.fetch("--journal", lab.path("j"), "--resume",
                        f"{lab.url}/page/1")
        assert got.status == 5 and "another run" in got.err, got
        lab.gate.set()
        assert end(p).status == 0


def killed():
    """kill -9: no partial file, no URL of the journal is fetched again"""
    with Lab(BELAY) as lab:
        done = [f"{lab.url}/page/{i}" for i in range(30)]
        under_way = [f"{lab.url}/half/{i}" for i in range(30, 36)]
        args = ["fetch", "-o", lab.path("d"), "--name", "{file}",
                "--per-host", "64", "--journal", lab.path("j"), "--resume",
                "-i", "-"]
        p = lab.start(*args, stdin=subprocess.PIPE)
        p.stdin.write("\n".join(done + under_way).encode() + b"\n")
        p.stdin.flush()
        for _ in done:
            p.stdout.readline()
        lab.wait(6, what=lab.halves)
        # An entry follows its line: who sees the next line has them all.
        p.stdin.write(f"{lab.url}/page/last\n".encode())
        p.stdin.flush()
        assert b"/page/last" in p.stdout.readline()
        p.kill()
        for stream in (p.stdin, p.stdout, p.stderr):
            stream.close()
        assert p.wait() == -signal.SIGKILL
        left = lab.files("d")
        assert all(content == page(name) for name, content in left.items())
        lab.gate.set()
        urls = done + under_way + [f"{lab.url}/page/last"]
        got = lab.run(*args, given="\n".join(urls).encode())
        assert got.status == 0, got
        assert lab.files("d") == {u.split("/")[-1]: page(u.split("/")[-1])
                                  for u in urls}
        assert all(lab.seen(f"/page/{i}") == 1 for i in range(30))
        assert all(lab.seen(f"/half/{i}") == 2 for i in range(30, 36))
        with open(lab.path("j"), encoding="utf-8") as f:
            entries = [json.loads(line) for line in f][1:]
        assert {e["url"] for e in entries} == set(urls)
        # And once more: all of it is done.
        assert "37 done before" in \
            lab.run(*args, given="\n".join(urls).encode()).err


def torn_journal():
    """A journal whose last line is torn goes on behind the last whole one"""
    with Lab(BELAY) as lab:
        args = ("--journal", lab.path("j"), "--resume")
        lab.fetch(*args, f"{lab.url}/page/1", f"{lab.url}/page/2")
        with open(lab.path("j"), "r+b") as f:
            f.truncate(os.path.getsize(lab.path("j")) - 10)
        got = lab.fetch(*args, f"{lab.url}/page/1", f"{lab.url}/page/2")
        assert got.status == 0 and "1 done before" in got.err, got
        with open(lab.path("j"), encoding="utf-8") as f:
            assert len([json.loads(line) for line in f]) == 3


def progress():
    """USR1 shows how far it is; --progress=json is for programs"""
    with Lab(BELAY) as lab:
        p = lab.start("fetch", f"{lab.url}/page/1", f"{lab.url}/hold/2",
                      f"{lab.url}/status/404")
        for _ in range(2):
            p.stdout.readline()
        lab.wait(3)
        p.send_signal(signal.SIGUSR1)
        while True:
            line = p.stderr.readline().decode()
            assert line, "no line of progress"
            if "in flight" in line:
                break
        assert re.search(r"2/3 done +1 failed +1 in flight", line), line
        lab.gate.set()
        p.communicate()
        lab.gate.clear()
        p = lab.start("fetch", "--progress=json", f"{lab.url}/hold/3")
        o = json.loads(p.stderr.readline())
        assert o["v"] == 1 and o["in_flight"] == 1 and o["all"] == 1, o
        lab.gate.set()
        p.communicate()


def other_commands():
    """doctor, version, help and completions, for people and programs"""
    with Lab(BELAY) as lab:
        got = lab.run("doctor", "--json")
        o = got.json[0]
        assert got.status == 0 and o["v"] == 1
        assert o["driver"]["value"] in ("io_uring", "epoll")
        got = lab.run("doctor", "--json", env={"BELAY_DRIVER": "epoll"})
        assert got.json[0]["driver"]["grade"] == "fallback", got
        assert "BELAY_DRIVER" in got.json[0]["driver"]["meaning"], got
        assert lab.run("doctor").status == 0
        assert lab.run("--version", "--json").json[0]["v"] == 1
        assert lab.run("--help").status == 0
        assert lab.run("fetch", "--help").out.startswith("belay fetch: ")
        assert lab.run().status == 2
        for shell in ("bash", "zsh", "fish"):
            assert "per-host" in lab.run("completion", shell).out
        assert lab.run("completion", "csh").status == 2
        script = lab.run("completion", "bash").out
        subprocess.run(["bash", "-n"], input=script.encode(), check=True)
        words = subprocess.run(
            ["bash", "-c", script + "\nCOMP_WORDS=(belay fetch --per)\n"
             "COMP_CWORD=2\n_belay\necho ${COMPREPLY[@]}"],
            stdout=subprocess.PIPE, check=True).stdout
        assert words.decode().strip() == "--per-host"


def manual():
    """The manual has each option of the command, and no others"""
    with Lab(BELAY) as lab:
        for name in ("fetch", "doctor"):
            with open(os.path.join(ROOT, f"docs/man/belay-{name}.1.md"),
                      encoding="utf-8") as f:
                told = set(re.findall(r"--[a-z][a-z-]+", f.read()))
            known = set(re.findall(r"^ +(?:-\w, +)?(--[a-z-]+)",
                                   lab.run(name, "--help").out, re.M))
            assert known - told - {"--help"} == set(), known - told
            assert told - known == set(), told - known


main([interrupted, ignored, first_failure, too_many, no_reader, blocked, full_disk,
      closed_streams, resumed, one_at_a_time, killed, torn_journal, progress,
      other_commands, manual])
