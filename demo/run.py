#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Shows what belay does, on servers that it starts and stops.

    demo/run.py BUILD           the demonstration; `make demo` calls it so
    demo/run.py BUILD LIST      belay fetch on a list of your own

Everything that it makes lies below build/demo. It checks what it shows: if
something is not as promised, it says so and ends with status 1; with 77 if
there is no nginx.
"""
import collections
import fcntl
import hashlib
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import termios
import time
import urllib.parse
import urllib.request

from servers import Faultd, Nginx, NoServer, end_with_us, find_nginx, free_port

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DIR = os.path.join(ROOT, "build/demo")
DOCS = "/usr/share"
PAGES, PAGES_BYTES = 4000, 150 << 20
DELAYED, SAMPLE, AT_ONCE = 400, 40, 64


class Broken(Exception):
    """Something is not as promised."""


def say(text=""):
    print(text, flush=True)


def title(text):
    say(f"\n== {text}\n")


def promise(true, text):
    if not true:
        raise Broken(text)


def short(path):
    return os.path.relpath(path, ROOT)


def make_list(name, urls):
    path = os.path.join(DIR, name)
    with open(path, "w", encoding="utf-8") as f:
        f.writelines(u + "\n" for u in urls)
    return path


def show_command(args):
    say("$ " + " ".join(short(a) if os.path.isabs(a) else a for a in args))


def sha256(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        while block := f.read(1 << 20):
            h.update(block)
    return h.hexdigest()


def read_json(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f]


class Demo:
    def __init__(self, build):
        self.belay = os.path.join(build, "cli/belay")
        self.faultd_program = os.path.join(build, "demo/faultd")
        self.deadlock = os.path.join(build, "examples/example-11_deadlock")
        self.nginx = self.faultd = None
        self.table = []

    def start(self):
        program, how = find_nginx(os.path.join(ROOT, "build/nginx"))
        self.nginx = Nginx(program, os.path.join(DIR, "nginx"), DOCS)
        self.faultd = Faultd(self.faultd_program)
        say(f"nginx ({how}) serves {DOCS} at {self.nginx.url}")
        say(f"faultd, a small server written with belay, serves delays and "
            f"faults\nat {self.faultd.url}; both end with this demonstration")

    def stop(self):
        for server in (self.nginx, self.faultd):
            if server:
                server.close()

    # --- a real page set, with faults among it

    def documents(self):
        """Real files, documentation first: {url: path}."""
        found, size = {}, 0
        for place in ("doc", "man", ""):
            for base, _, names in os.walk(os.path.join(DOCS, place)):
                for name in sorted(names):
                    path = os.path.join(base, name)
                    url = self.nginx.url + urllib.parse.quote(
                        os.fsencode(path[len(DOCS):]))
                    if url in found or os.path.islink(path) or \
                            not os.path.isfile(path):
                        continue
                    n = os.path.getsize(path)
                    if n > 8 << 20:
                        continue
                    found[url] = path
                    size += n
                    if len(found) == PAGES or size > PAGES_BYTES:
                        return found
        return found

    def faults(self):
        """What will fail, and as which kind: {url: kind}."""
        closed = f"http://127.0.0.1:{free_port()}"
        bad = {f"{closed}/{i}": "refused" for i in range(2)}
        bad["this is no URL"] = "bad-url"
        bad["ftp://127.0.0.1/file"] = "scheme"
        for i in range(15):
            bad[f"{self.nginx.url}/doc/no-such-file-{i}"] = "status"
        for path, n, kind in (
                ("/status/500", 10, "status"), ("/stall", 5, "timeout"),
                ("/stall/1000", 5, "timeout"), ("/slow/400", 5, "timeout"),
                ("/reset/1000", 8, "reset"), ("/lie/2000/500", 5, "reset"),
                ("/loop", 5, "redirect"), ("/garbage", 3, "protocol"),
                ("/bomb", 1, "too-large")):
            for i in range(n):
                bad[f"{self.faultd.url}{path}?{i}"] = kind
        return bad

    def act_pages(self):
        docs, bad = self.documents(), self.faults()
        again = [f"{self.faultd.url}/flaky/1/{i}" for i in range(5)]
        urls, every = list(docs), max(1, len(docs) // (len(bad) + 5))
        for i, u in enumerate(list(bad) + again):
            urls.insert((i + 1) * every + i, u)
        title(f"{len(docs)} pages of documentation, {len(again)} that succeed "
              f"on the second try, {len(bad)} that fail")
        args = [self.belay, "fetch", "-i", make_list("urls.txt", urls), "-o",
                os.path.join(DIR, "pages"), "--json", "--per-host", "32",
                "--first-byte-timeout", "2s", "--idle-timeout", "2s",
                "--retries", "1"]
        trace = os.path.join(DIR, "trace.svg")
        results = os.path.join(DIR, "results.jsonl")
        show_command(args + [">", results])
        errors = os.path.join(DIR, "errors.txt")
        with open(results, "wb") as out:
            took, status = self.people(args, out, errors)
        self.judge_pages(docs, bad, again, results, took, status)
        say(f"results: {short(results)}    bodies: {short(DIR)}/pages    "
            f"messages: {short(errors)}")
        if os.path.exists(trace):
            say(f"trace:   {short(trace)} (open it in a browser)")

    def people(self, args, out, errors):
        """Runs it; progress and summary are shown, what it says about single
        URLs is kept in a file."""
        start = time.monotonic()
        ours, theirs = terminal() if sys.stderr.isatty() else os.pipe()
        p = subprocess.Popen(args, stdout=out, stderr=theirs)
        os.close(theirs)
        with open(errors, "wb") as kept, os.fdopen(ours, "rb", 0) as said:
            for piece in pieces(said):
                plain = re.sub(rb"\r|\x1b\[\d*[mK]", b"", piece).strip()
                single = piece.endswith(b"\n") and \
                    re.match(rb"belay fetch: \D", plain)
                if single:
                    kept.write(plain + b"\n")
                else:
                    sys.stderr.buffer.write(piece)
                    sys.stderr.buffer.flush()
        p.wait()
        return time.monotonic() - start, p.returncode

    def judge_pages(self, docs, bad, again, results, took, status):
        found = {o["url"]: o for o in read_json(results)}
        promise(set(found) == set(docs) | set(bad) | set(again),
                "not each URL has its result")
        promise(status == 1, f"the status is {status}, not 1")
        kinds = collections.Counter()
        for url, kind in bad.items():
            error = found[url]["error"]
            promise(error and error["kind"] == kind,
                    f"{url} should fail as {kind}: {found[url]}")
            kinds[f"{kind} ({error['phase']})"] += 1
        size = 0
        for url, path in docs.items():
            o = found[url]
            promise(o["result"] == "ok", f"{url} failed: {o['error']}")
            promise(o["sha256"] == sha256(path) == sha256(o["path"]),
                    f"{url} is not {path}")
            size += o["bytes"]
        promise(all(found[u]["attempts"] == 2 and found[u]["result"] == "ok"
                    for u in again), "no second try")
        say(f"\nin {took:.1f} s; {len(docs)} bodies, {size / 2**20:.1f} MiB: "
            f"each has the SHA-256 of its file")
        say(f"{len(bad)} failed on purpose, in {len(kinds)} ways, each named:")
        for what, n in sorted(kinds.items()):
            say(f"    {n:3} {what}")
        self.table.append((
            "no error is lost", f"{len(bad)} failures, each with kind and "
            f"phase; {len(docs)} others whole", "belay fetch --json -o DIR"))
        self.table.append((
            "every wait can be ended", "servers that stall, drip or never end: "
            "given up at their limits",
            "belay fetch --idle-timeout 2s --deadline 5m"))

    # --- the same work, at once and one after the other

    def act_speed(self):
        title(f"{DELAYED} pages with a delay of 50 ms, from faultd")
        urls = [f"{self.faultd.url}/delay/50/2000?{i}"
                for i in range(DELAYED)]
        every = make_list("delayed.txt", urls)
        few = make_list("sample.txt", urls[:SAMPLE])
        config = os.path.join(DIR, "curl.conf")
        with open(config, "w", encoding="utf-8") as f:
            f.writelines(f'url = "{u}"\noutput = /dev/null\n' for u in urls)
        n = str(AT_ONCE)
        one = self.clock([self.belay, "fetch", "-q", "-i", few, "-j", "1"])
        rows = [("one at a time", one * DELAYED / SAMPLE,
                 f"{SAMPLE} of them took {one:.2f} s")]
        rows.append(("belay fetch", self.clock(
            [self.belay, "fetch", "-q", "-i", every, "-j", n, "--per-host",
             n]), f"-j {n} --per-host {n}"))
        if shutil.which("curl"):
            rows.append(("curl -Z", self.clock(
                ["curl", "-s", "-Z", "--parallel-max", n, "-K", config]),
                f"--parallel-max {n}"))
            with open(every, "rb") as f:
                rows.append(("xargs, curl", self.clock(
                    ["xargs", "-P", n, "-n", "1", "curl", "-s", "-o",
                     "/dev/null"], f), f"-P {n}, a process each"))
        say("                     s   times as fast")
        for name, took, how in rows:
            say(f"    {name:14}{took:7.2f}{rows[0][1] / took:8.1f}    {how}")
        self.table.append((
            "straight-line code, many at once", f"{DELAYED} pages of 50 ms "
            f"in {rows[1][1]:.2f} s instead of {rows[0][1]:.0f} s",
            f"belay fetch -j {n}"))

    def clock(self, args, given=None):
        start = time.monotonic()
        done = subprocess.run(args, stdin=given or subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, check=False)
        promise(done.returncode == 0,
                f"{args[0]}: status {done.returncode}: {done.stderr[-300:]}")
        return time.monotonic() - start

    # --- killed half way

    def act_kill(self):
        urls = [f"{self.faultd.url}/page/{i}" for i in range(600)]
        title(f"kill -9 in the middle of {len(urls)} pages, and on")
        journal = os.path.join(DIR, "done.jsonl")
        kept = os.path.join(DIR, "killed")
        args = [self.belay, "fetch", "-i", make_list("killed.txt", urls),
                "-o", kept, "--name", "{file}", "--journal", journal,
                "--resume", "--json", "--quiet"]
        before = self.faultd.requests()
        show_command(args)
        with open(os.path.join(DIR, "killed.jsonl"), "wb") as out:
            p = subprocess.Popen(args, stdout=out, preexec_fn=end_with_us)
            while p.poll() is None and count_lines(journal) < 200:
                time.sleep(0.005)
            p.kill()
            promise(p.wait() == -signal.SIGKILL, "it was done too early")
        sent = self.faultd.requests() - before
        done = {e["url"]: e["sha256"] for e in whole_lines(journal)[1:]}
        partial, whole = self.compare(kept, done)
        left = processes_about(kept)
        under_way = sent - len(done)
        say(f"\nkilled: {len(done)} done and in the journal, "
            f"{under_way} more had begun")
        say(f"    {len(left)} processes left, {len(partial)} partial files, "
            f"{whole} whole ones")
        promise(not left and not partial, f"left: {left} {partial}")
        show_command(args)
        out = subprocess.run(args, stdout=subprocess.PIPE, check=False)
        promise(out.returncode == 0, f"resumed: status {out.returncode}")
        now = {o["url"]: o["sha256"]
               for o in map(json.loads, out.stdout.splitlines())}
        twice = set(done) & set(now)
        partial, whole = self.compare(kept, {**done, **now})
        say(f"\nresumed: {len(now)} fetched, {len(done)} left out, "
            f"{len(twice)} fetched twice; {whole} whole files, "
            f"{len(partial)} partial ones")
        promise(not twice and not partial and whole == len(urls) ==
                len(done) + len(now), "resumed wrongly")
        self.table.append((
            "nothing half-happens", f"kill -9 at {len(done)} of {len(urls)}: "
            "0 processes and 0 partial files left, 0 fetched twice",
            "belay fetch -o DIR --journal F --resume"))

    def compare(self, top, known):
        """([files below top that are not as they should be], number of those
        that are); what is not known yet the server is asked for."""
        partial, whole = [], 0
        for base, _, names in os.walk(top):
            for name in names:
                url = f"{self.faultd.url}/page/{name}"
                want = known.get(url)
                if want is None:
                    try:
                        with urllib.request.urlopen(url, timeout=10) as f:
                            want = hashlib.sha256(f.read()).hexdigest()
                    except OSError:
                        want = "of no page"
                path = os.path.join(base, name)
                if sha256(path) == want:
                    whole += 1
                else:
                    partial.append(path)
        return partial, whole

    # --- stuck

    def act_stuck(self):
        title("a program that is stuck says where (examples/11_deadlock.c)")
        out = subprocess.run([self.deadlock], stdout=subprocess.PIPE,
                             text=True, timeout=30, check=False).stdout
        for line in out.splitlines():
            say("    " + line.replace("../../", ""))
        promise("deadlock" in out and "transfer" in out, "no report")
        self.table.append((
            "a stuck program is explained", "both tasks and both locks of "
            "the cycle, with file and line",
            short(self.deadlock)))

    def end(self):
        title("what you have just seen")
        for what, saw, command in self.table:
            say(f"{what}\n    {saw}\n    $ {command}")
        me = short(self.belay)
        say("\nFor your own data:\n"
            "    make demo URLS=list.txt\n"
            f"    {me} fetch -i list.txt -o pages --journal done.jsonl "
            "--resume\n"
            f"    {me} fetch -i list.txt --json --rate 10/s/host "
            "> results.jsonl")


# --- what is said ------------------------------------------------------------

ERASE = b"\r\033[K"


def terminal():
    """A terminal as wide as ours: who reads it, who writes to it."""
    ours, theirs = pty.openpty()
    size = fcntl.ioctl(sys.stderr.fileno(), termios.TIOCGWINSZ, bytes(8))
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, size)
    how = termios.tcgetattr(theirs)
    how[1] &= ~termios.OPOST  # the outer terminal does that
    termios.tcsetattr(theirs, termios.TCSANOW, how)
    return ours, theirs


def pieces(f):
    """Whole lines, and bars that are drawn over, as they come."""
    held = b""
    while True:
        try:
            data = f.read(65536)
        except OSError:  # so does a terminal end
            data = b""
        if not data:
            break
        *whole, held = re.split(rb"(?<=\n)|(?=\r)", held + data)
        yield from whole
        if held.startswith(b"\r") and len(held) > len(ERASE):
            yield held
            held = b""
    if held:
        yield held


# --- what is left ------------------------------------------------------------


def count_lines(path):
    try:
        with open(path, "rb") as f:
            return f.read().count(b"\n")
    except FileNotFoundError:
        return 0


def whole_lines(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f if line.endswith("\n")]


def processes_about(word):
    found = []
    for pid in os.listdir("/proc"):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                if os.fsencode(word) in f.read():
                    found.append(pid)
        except OSError:
            pass
    return found


# --- all of it ---------------------------------------------------------------


def own_list(build, path):
    """belay fetch on somebody's list."""
    out = os.path.join(DIR, "yours")
    args = [os.path.join(build, "cli/belay"), "fetch", "-i",
            os.path.abspath(path), "-o", os.path.join(out, "pages"),
            "--journal", os.path.join(out, "done.jsonl"), "--resume",
            "--json"]
    os.makedirs(out, exist_ok=True)
    results = os.path.join(out, "results.jsonl")
    show_command(args + [">>", results])
    with open(results, "ab") as f:
        status = subprocess.run(args, stdout=f, check=False).returncode
    say(f"results: {short(results)}    bodies: {short(out)}/pages\n"
        "The same command goes on where this one ended.")
    return status


def clear():
    os.makedirs(DIR, exist_ok=True)
    for name in os.listdir(DIR):
        path = os.path.join(DIR, name)
        if name == "yours":
            continue
        if os.path.isdir(path):
            shutil.rmtree(path)
        else:
            os.remove(path)


def demonstrate(build):
    start = time.monotonic()
    demo = Demo(build)
    clear()
    try:
        demo.start()
        demo.act_pages()
        demo.act_speed()
        demo.act_kill()
        demo.act_stuck()
    finally:
        demo.stop()
    demo.end()
    say(f"\nThis took {time.monotonic() - start:.0f} s.")
    return 0


def main():
    if len(sys.argv) not in (2, 3):
        say(__doc__)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    build = os.path.abspath(sys.argv[1])
    try:
        if len(sys.argv) == 3:
            return own_list(build, sys.argv[2])
        return demonstrate(build)
    except NoServer as e:
        say(f"demo: {e}")
        return 77
    except Broken as e:
        say(f"\nNOT AS PROMISED: {e}")
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
