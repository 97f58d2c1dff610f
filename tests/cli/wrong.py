# SPDX-License-Identifier: MIT
"""What belay fetch says of servers and input that are wrong.

Each failure names its kind and its phase, ends in time, and leaves the URLs
beside it alone.
"""
import os
import socket
import sys

from lab import Faultd, Lab, main

BELAY, FAULTD = sys.argv[1:3]
HERE = os.path.dirname(os.path.abspath(__file__))

# path: kind and phase
WRONG = {
    "/reset": ("reset", "first-byte"),
    "/reset/100": ("reset", "body"),
    "/lie/100/50": ("reset", "body"),
    "/stall": ("timeout", "first-byte"),
    "/stall/100": ("timeout", "body"),
    "/drip/10/100000": ("timeout", "total"),
    "/slow/1000": ("timeout", "first-byte"),
    "/loop": ("redirect", None),
    "/to/ftp://h/": ("scheme", None),
    "/bomb": ("too-large", "body"),
    "/endless": ("too-large", "body"),
    "/garbage": ("protocol", "first-byte"),
    "/status/404": ("status", "answer"),
    "/status/503": ("status", "answer"),
}
LIMITS = ("--first-byte-timeout", "700ms", "--idle-timeout", "800ms",
          "--timeout", "2s", "--max-body", "10M")


def closed_port():
    """A port at which nobody listens, held so that nobody will."""
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    return s, s.getsockname()[1]


def servers():
    """Each thing a server can do wrong has its kind and phase"""
    with Faultd(FAULTD) as d, Lab(BELAY) as lab:
        good = [f"{d.url}/page/{i}" for i in range(50)]
        got = lab.fetch("--json", "--retries", "0", "-o", lab.path("d"),
                        "--per-host", "100", *LIMITS, *(d.url + p for p in WRONG), *good)
        assert got.status == 1, got
        found = {o["url"][len(d.url):]: o for o in got.json}
        problems = []
        for path, (kind, phase) in WRONG.items():
            e = found[path]["error"]
            if e["kind"] != kind or (phase and e["phase"] != phase) or \
                    found[path]["result"] != "failed" or not e["message"]:
                problems.append(f"{path}: {e}, not {kind} in {phase}")
        assert not problems, problems
        for url in good:
            assert found[url[len(d.url):]]["result"] == "ok", url
        kept = lab.files("d")
        assert len(kept) == len({o["sha256"] for o in got.json
                                 if o["result"] == "ok"})


def without_server():
    """No server, no such host, no URL, no scheme that we know"""
    held, port = closed_port()
    with held, Lab(BELAY) as lab:
        wrong = {
            f"http://127.0.0.1:{port}/": ("refused", "connect"),
            "http://nobody.invalid/": ("dns", "dns"),
            "http://": ("bad-url", "input"),
            "http://a b/": ("bad-url", "input"),
            "ftp://127.0.0.1/": ("scheme", "input"),
            "file:///etc/passwd": ("scheme", "input"),
        }
        got = lab.fetch("--json", "--retries", "0", *wrong)
        assert got.status == 1, got
        for o in got.json:
            assert (o["error"]["kind"], o["error"]["phase"]) == \
                wrong[o["url"]], o


def certificates():
    """A certificate that nobody vouches for; one that is for another host"""
    pem = os.path.join(HERE, "selfsigned.pem")
    with Lab(BELAY, tls=pem) as lab:
        got = lab.fetch("--json", f"{lab.url}/page/1")
        assert got.json[0]["error"]["kind"] == "certificate", got
        assert got.json[0]["error"]["phase"] == "tls", got
        assert lab.seen("/page/1") == 0
        # Trusted now, but it is localhost's and not that of 127.0.0.1.
        got = lab.fetch("--json", "--ca-file", pem, f"{lab.url}/page/1")
        assert got.json[0]["error"]["kind"] == "certificate", got
        there = lab.url.replace("127.0.0.1", "localhost")
        got = lab.fetch("--ca-file", pem, f"{there}/page/1")
        assert got.status == 0, got
        assert lab.fetch("--insecure", f"{lab.url}/page/1").status == 0
        plain = lab.url.replace("https", "http")
        assert lab.fetch("--retries", "0", plain).status == 1


def three_messages():
    """Three failures of one kind are told apart"""
    with Faultd(FAULTD) as d, Lab(BELAY) as lab:
        got = lab.fetch("--retries", "0", *LIMITS, f"{d.url}/stall",
                        f"{d.url}/stall/100", f"{d.url}/drip/10/100000")
        said = [line for line in got.err.splitlines() if "timeout (" in line]
        assert len(said) == 3, got
        assert len({line.split(": ", 2)[2] for line in said}) == 3, said


def deadline():
    """Nothing goes on when the run's deadline has passed; status 4"""
    with Faultd(FAULTD) as d, Lab(BELAY) as lab:
        got = lab.fetch("--json", "--deadline", "700ms", "-o", lab.path("d"),
                        "--max-body", "900G",
                        f"{d.url}/stall", f"{d.url}/drip/1000/100",
                        f"{d.url}/slow/1000", f"{d.url}/endless")
        assert got.status == 4, got
        assert len(got.json) == 4
        assert all(o["result"] == "cut" and o["error"]["kind"] == "deadline"
                   for o in got.json), got
        assert lab.files("d") == {}
        assert "deadline of 0.7 s" in got.err, got


def retries():
    """What may be better next time is tried again, and only that"""
    with Faultd(FAULTD) as d, Lab(BELAY) as lab:
        got = lab.fetch("--json", "--ordered", f"{d.url}/flaky/2/1",
                        f"{d.url}/flaky/3/2", f"{d.url}/status/404",
                        f"{d.url}/status/503/9999")
        assert [(o["status"], o["attempts"]) for o in got.json] == \
            [(200, 3), (503, 3), (404, 1), (503, 1)], got


def misuse():
    """Wrong options say what is wrong; status 2, and nothing is done"""
    with Lab(BELAY) as lab:
        url = f"{lab.url}/page/1"
        for args, said in [
                (["--jbos", "3", url], "did you mean '--jobs'"),
                (["-j", "0", url], "1 to 10000"),
                (["-j", "many", url], "a number like 8"),
                (["--timeout", "5 parsecs", url], "a duration like"),
                (["--timeout"], "--timeout needs"),
                (["--rate", "fast", url], "a rate like"),
                (["--max-failures", "101%", url], "--max-failures"),
                (["--body=inline", url], "--json"),
                (["--body=-", url, url], "exactly one URL"),
                (["--body=all", url], "auto|file|inline"),
                (["--resume", url], "--journal"),
                (["--name", "{x}", "-o", "d", url], "{host}"),
                (["--name", "x", url], "-o DIR"),
                ([], "no URL")]:
            got = lab.fetch(*args)
            assert got.status == 2 and said in got.err, (args, got)
            assert got.out == ""
        assert lab.run("fecth").status == 2
        assert "did you mean 'fetch'" in lab.run("fecth").err
        assert lab.count == {}


def environment():
    """What the machine does not let us do; status 5, before any request"""
    with Lab(BELAY) as lab:
        url = f"{lab.url}/page/1"
        with open(lab.path("file"), "w", encoding="utf-8"):
            pass
        for args, said in [
                (["-i", lab.path("none")], "cannot read"),
                (["-i", lab.dir], "cannot read"),
                (["-o", lab.path("file"), url], "cannot write to"),
                (["-o", lab.path("no/dir"), url], "cannot write to"),
                (["-o", "/proc", url], "cannot write to"),
                (["--journal", lab.path("no/j"), url], "cannot use"),
                (["--journal", "/dev/null", url], "regular file")]:
            got = lab.fetch(*args)
            assert got.status == 5 and said in got.err, (args, got)
        assert lab.count == {}


main([servers, without_server, certificates, three_messages, deadline,
      retries, misuse, environment])
