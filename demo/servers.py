# SPDX-License-Identifier: MIT
"""The servers of the demonstration, which end with it.

nginx is the system's, or is unpacked below the build folder without being
installed: an installation would start it as a service.
"""
import ctypes
import glob
import http.client
import os
import shutil
import signal
import socket
import subprocess
import time

NGINX_CONF = """\
daemon off;
master_process off;
pid {dir}/pid;
error_log {dir}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    keepalive_requests 100000;
    server {{ listen 127.0.0.1:{port} backlog=511; root {root}; }}
}}
"""


class NoServer(Exception):
    pass


def end_with_us():
    """In a child: the kernel ends it when the demonstration is killed."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


def runs(nginx):
    return subprocess.run([nginx, "-v"], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL,
                          check=False).returncode == 0


def unpack(where):
    """The package's nginx, below `where`; None if it cannot be had."""
    os.makedirs(where, exist_ok=True)
    for package in ("nginx", "nginx-light"):
        subprocess.run(["apt-get", "download", "-q", package], cwd=where,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       check=False)
        for deb in glob.glob(os.path.join(where, package + "_*.deb")):
            subprocess.run(["dpkg", "-x", deb, where], check=False)
        nginx = os.path.join(where, "usr/sbin/nginx")
        if os.path.exists(nginx) and runs(nginx):
            return nginx
    return None


def find_nginx(where):
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    nginx = shutil.which("nginx", path=path)
    if nginx and runs(nginx):
        return nginx, "installed"
    nginx = unpack(where)
    if nginx is None:
        raise NoServer("there is no nginx, and `apt-get download nginx' "
                       "gets none")
    return nginx, "unpacked, not installed"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Nginx:
    """The files below root, on a free port of loopback."""

    def __init__(self, program, where, root):
        self.p = None
        os.makedirs(where)
        for _ in range(5):  # somebody may take the port first
            self.port = free_port()
            conf = os.path.join(where, "nginx.conf")
            with open(conf, "w", encoding="utf-8") as f:
                f.write(NGINX_CONF.format(dir=where, port=self.port,
                                          root=root))
            self.p = subprocess.Popen(
                [program, "-p", where, "-e", os.path.join(where, "error.log"),
                 "-c", conf], stderr=subprocess.DEVNULL,
                preexec_fn=end_with_us)
            if self.answers():
                self.url = f"http://127.0.0.1:{self.port}"
                return
            self.close()
        raise NoServer(f"nginx does not start: see {where}/error.log")

    def answers(self):
        for _ in range(100):
            if self.p.poll() is not None:
                return False
            try:
                c = http.client.HTTPConnection("127.0.0.1", self.port, 5)
                c.request("HEAD", "/")
                c.getresponse()
                c.close()
                return True
            except OSError:
                time.sleep(0.05)
        return False

    def close(self):
        self.p.terminate()
        self.p.wait()


class Faultd:
    """demo/faultd, which does wrong on request; ends with its stdin."""

    def __init__(self, program, *args):
        self.p = subprocess.Popen([program, "--until-eof", *args],
                                  stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE,
                                  preexec_fn=end_with_us)
        self.url = self.p.stdout.readline().decode().strip()
        if not self.url:
            raise NoServer("faultd does not start")

    def requests(self):
        """How many there have been."""
        host = self.url.split("/")[2]
        c = http.client.HTTPConnection(host, timeout=10)
        c.request("GET", "/stats")
        words = c.getresponse().read().split()
        c.close()
        return int(words[words.index(b"requests") + 1]) - 1

    def close(self):
        self.p.stdin.close()
        self.p.stdout.close()
        self.p.wait()
