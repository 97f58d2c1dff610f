# SPDX-License-Identifier: MIT
"""What the tests of the command share: a server whose answers wait until the
test says so, and a way to run the command. Nothing here sleeps."""
import collections
import http.server
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import traceback

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools"))
from tap import Tap  # noqa: E402

# Whoever started us in the background may have had these ignored, and the
# command would leave them so.
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)

PATIENCE = 60  # seconds until a test gives up
BYTES = bytes(range(256)) * 4


def page(name):
    """What is served at /page/NAME."""
    return (f"this is page {name}\n" * (len(name) * 7)).encode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *args):
        pass

    def do_GET(self):
        lab = self.server.lab
        word, _, rest = self.path[1:].partition("/")
        lab.note(self.path, self.headers)
        if word == "hold":  # answers once the gate is open
            lab.gate.wait(PATIENCE)
            self.answer(200, page(rest))
        elif word == "half":  # the other half comes then
            self.answer(200, page(rest), half=lab.gate)
        elif word == "torn":  # the first time it breaks off
            first = lab.seen(self.path) == 1
            self.answer(200, page(rest), half="close" if first else None)
        elif word == "status":
            self.answer(int(rest), b"no\n")
        elif word == "busy":  # until it has been asked five times
            self.answer(429 if sum(lab.count.values()) <= 5 else 200, b"")
        elif word == "bytes":  # no text
            self.answer(200, BYTES)
        elif word == "to":
            self.send_response(302)
            self.send_header("Location", rest)
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self.answer(200, page(rest))

    def answer(self, status, body, half=None):
        lab = self.server.lab
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            if half is not None:
                self.wfile.write(body[:len(body) // 2])
                self.wfile.flush()
                lab.half(self.path)
                body = body[len(body) // 2:]
            if half == "close":
                self.close_connection = True
                return
            if half is not None:
                half.wait(PATIENCE)
            self.wfile.write(body)
        except OSError:
            self.close_connection = True


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request, client_address):
        pass  # the client went away


class Lab:
    """A server, a directory, and the command."""

    def __init__(self, belay, tls=None):
        self.belay = belay
        self.lock = threading.Condition()
        self.count = collections.Counter()
        self.halves = collections.Counter()
        self.headers = {}
        self.times = []
        self.gate = threading.Event()
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.lab = self
        scheme = "http"
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls)
            self.server.socket = context.wrap_socket(
                self.server.socket, server_side=True,
                do_handshake_on_connect=False)
            scheme = "https"
        self.url = f"{scheme}://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever,
                                       kwargs={"poll_interval": 0.05})
        self.thread.start()
        self.dir = tempfile.mkdtemp(prefix="belay-cli-")

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.gate.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
        shutil.rmtree(self.dir)

    # --- what the server saw

    def note(self, path, headers):
        with self.lock:
            self.count[path] += 1
            self.headers[path] = dict(headers)
            self.times.append(time.monotonic())
            self.lock.notify_all()

    def half(self, path):
        with self.lock:
            self.halves[path] += 1
            self.lock.notify_all()

    def seen(self, path):
        with self.lock:
            return self.count[path]

    def wait(self, n, prefix="/", what=None):
        """Until n requests of such paths have come."""
        what = self.count if what is None else what
        with self.lock:
            done = self.lock.wait_for(
                lambda: sum(c for p, c in what.items()
                            if p.startswith(prefix)) >= n, PATIENCE)
        assert done, f"no {n} requests for {prefix}"

    # --- the command

    def path(self, name):
        return os.path.join(self.dir, name)

    def start(self, *args, **how):
        how = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
               "stderr": subprocess.PIPE, **how}
        env = {**os.environ, "TERM": "dumb", **how.pop("env", {})}
        return subprocess.Popen([self.belay, *map(str, args)], env=env,
                                restore_signals=True, **how)

    def run(self, *args, given=None, **how):
        if given is not None:
            how["stdin"] = subprocess.PIPE
        p = self.start(*args, **how)
        return end(p, given)

    def fetch(self, *args, **how):
        return self.run("fetch", *args, **how)

    def files(self, name):
        """{path below it: content} of a directory, hidden ones included."""
        top, found = self.path(name), {}
        for base, _, names in os.walk(top):
            for n in names:
                full = os.path.join(base, n)
                with open(full, "rb") as f:
                    found[os.path.relpath(full, top)] = f.read()
        return found


class End:
    def __init__(self, p, out, err):
        self.status = p.returncode
        self.out = (out or b"").decode(errors="replace")
        self.err = (err or b"").decode(errors="replace")
        self.lines = self.out.splitlines()

    @property
    def json(self):
        return [json.loads(line) for line in self.lines]

    def __str__(self):
        return f"status {self.status}\n{self.out}\n{self.err}"


def end(p, given=None):
    try:
        out, err = p.communicate(given, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        p.send_signal(signal.SIGKILL)
        out, err = p.communicate()
        raise AssertionError(f"it hangs\n{err.decode()}") from None
    return End(p, out, err)


class Faultd:
    """demo/faultd, which does wrong on request."""

    def __init__(self, program, *args):
        self.p = subprocess.Popen([program, "--until-eof", *args],
                                  stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE)
        self.url = self.p.stdout.readline().decode().strip()

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.p.stdin.close()
        self.p.stdout.close()
        self.p.wait(PATIENCE)


def main(tests):
    """Runs the functions, whose first lines say what they show, as TAP."""
    tap = Tap()
    for test in tests:
        try:
            test()
            problems = []
        except BaseException:  # pylint: disable=broad-except
            problems = [traceback.format_exc()]
        tap.check(test.__doc__.split("\n")[0], problems)
    tap.done()
