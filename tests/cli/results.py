# SPDX-License-Identifier: MIT
"""What belay fetch puts out: lines, objects, bodies, files."""
import base64
import hashlib
import os
import re
import resource
import sys

from lab import BYTES, Lab, main, page

BELAY = sys.argv[1]


def lines():
    """One line for each URL: status, bytes, ms, URL; bodies are not shown"""
    with Lab(BELAY) as lab:
        urls = [f"{lab.url}/page/{i}" for i in range(20)]
        got = lab.fetch(*urls, f"{lab.url}/status/404")
        assert got.status == 1, got
        for i, url in enumerate(urls):
            size = len(page(str(i)))
            assert sum(re.fullmatch(rf"200 {size} \d+\.\d {re.escape(url)}",
                                    line) is not None
                       for line in got.lines) == 1, got
        assert len(got.lines) == 21, got
        assert "this is page" not in got.out
        assert "21 URLs" in got.err and "20 ok, 1 failed" in got.err, got
        assert lab.fetch(urls[0]).status == 0


def objects():
    """--json: one object for each URL, with all that is known"""
    with Lab(BELAY) as lab:
        url = f"{lab.url}/to//page/7"
        got = lab.fetch("--json", url, f"{lab.url}/status/500", "nonsense")
        assert got.status == 1, got
        found = {o["url"]: o for o in got.json}
        assert len(found) == 3
        o = found[url]
        assert o["v"] == 1 and o["n"] == 1 and o["result"] == "ok"
        assert o["final_url"] == f"{lab.url}/page/7"
        assert o["status"] == 200 and o["error"] is None
        assert o["attempts"] == 2 and o["redirects"] == 1
        assert o["bytes"] == o["raw_bytes"] == len(page("7"))
        assert o["sha256"] == hashlib.sha256(page("7")).hexdigest()
        assert o["path"] is None and o["http_version"] == 11
        assert set(o["timings"]) == {"queue", "dns", "connect", "tls",
                                     "first_byte", "total"}
        assert all(t >= 0 for t in o["timings"].values())
        assert o["timings"]["total"] >= o["timings"]["first_byte"]
        o = found[f"{lab.url}/status/500"]
        assert o["result"] == "failed" and o["status"] == 500
        assert o["error"]["kind"] == "status"
        o = found["nonsense"]
        assert o["status"] is None and o["error"]["kind"] == "bad-url"
        assert o["error"]["phase"] == "input" and o["attempts"] == 0


def stdout():
    """--body=-: the body and nothing else, byte for byte"""
    with Lab(BELAY) as lab:
        p = lab.start("fetch", "--body=-", f"{lab.url}/bytes/x")
        out, err = p.communicate()
        assert out == BYTES and p.returncode == 0 and err == b"", err
        got = lab.fetch("--body=-", f"{lab.url}/status/404")
        assert got.status == 1 and got.out == "" and "404" in got.err, got


def inline():
    """--body=inline: text as it is, other bytes as base64"""
    with Lab(BELAY) as lab:
        got = lab.fetch("--json", "--body=inline", "--ordered",
                        f"{lab.url}/page/1", f"{lab.url}/bytes/x")
        text, raw = got.json
        assert text["body"].encode() == page("1")
        assert base64.b64decode(raw["body_base64"]) == BYTES
        got = lab.fetch("--json", "--body=inline", "--max-body", "100",
                        f"{lab.url}/bytes/x")
        assert got.json[0]["error"]["kind"] == "too-large", got


def files():
    """-o: named by content, or by a template, and nothing else is there"""
    with Lab(BELAY) as lab:
        urls = [f"{lab.url}/page/{i}" for i in range(5)]
        got = lab.fetch("-o", lab.path("a"), "--json", *urls,
                        f"{lab.url}/status/404")
        kept = lab.files("a")
        assert len(kept) == 5, kept.keys()
        for name, content in kept.items():
            sum_ = hashlib.sha256(content).hexdigest()
            assert name == f"{sum_[:2]}/{sum_}", name
        for o in got.json:
            if o["result"] == "ok":
                with open(o["path"], "rb") as f:
                    assert hashlib.sha256(f.read()).hexdigest() == o["sha256"]
            else:
                assert o["path"] is None
        got = lab.fetch("-o", lab.path("b"), "--name", "{n}-{file}", *urls)
        assert lab.files("b") == {
            f"{i + 1}-{i}": page(str(i)) for i in range(5)}, got


def outside():
    """No URL leads out of DIR, nor through a link"""
    with Lab(BELAY) as lab:
        os.mkdir(lab.path("d"))
        os.mkdir(lab.path("x"))
        os.symlink(lab.path("x"), lab.path("d/link"))
        got = lab.fetch("-o", lab.path("d"), "--name", "{path}", "--json",
                        f"{lab.url}/page/../../../../up",
                        f"{lab.url}/..%2f..%2fup2", f"{lab.url}/link/y",
                        f"{lab.url}//tmp/z", f"{lab.url}/.hidden")
        assert os.listdir(lab.path("x")) == []
        assert sorted(os.listdir(lab.dir)) == ["d", "x"]
        assert not any(part.startswith(".") for name in lab.files("d")
                       for part in name.split("/")), lab.files("d").keys()
        bad = [o for o in got.json if o["result"] != "ok"]
        assert [o["url"] for o in bad] == [f"{lab.url}/link/y"], got
        assert bad[0]["error"]["kind"] == "file"
        for name in ("../{n}", "/{n}", "a/../../{n}"):
            assert lab.fetch("-o", lab.path("d"), "--name", name,
                             lab.url).status == 2


def taken():
    """Another file of that name is an error, or replaced if asked for"""
    with Lab(BELAY) as lab:
        os.mkdir(lab.path("d"))
        with open(lab.path("d/same"), "wb") as f:
            f.write(b"mine")
        args = ("-o", lab.path("d"), "--name", "same", f"{lab.url}/page/1")
        got = lab.fetch(*args)
        assert got.status == 1 and "--overwrite" in got.err, got
        assert lab.files("d") == {"same": b"mine"}
        assert lab.fetch(*args, "--overwrite").status == 0
        assert lab.files("d") == {"same": page("1")}
        assert lab.fetch(*args).status == 0  # it has that content


def ordered():
    """--ordered: in the order of the input, even if the first is the last"""
    with Lab(BELAY) as lab:
        urls = [f"{lab.url}/hold/0"] + \
            [f"{lab.url}/page/{i}" for i in range(1, 40)]
        p = lab.start("fetch", "--ordered", "--json", *urls)
        lab.wait(40)
        lab.gate.set()
        out, _ = p.communicate()
        order = re.findall(rb'"url":"([^"]*)"', out)
        assert [u.decode() for u in order] == urls


def completion():
    """Without it each result is told when it is there"""
    with Lab(BELAY) as lab:
        p = lab.start("fetch", f"{lab.url}/hold/0", f"{lab.url}/page/1")
        assert b"/page/1" in p.stdout.readline()
        lab.gate.set()
        assert b"/hold/0" in p.stdout.readline()
        p.communicate()


def inputs():
    """URLs from arguments, files, stdin; lines of any kind, or NULs"""
    with Lab(BELAY) as lab:
        with open(lab.path("list"), "w", encoding="utf-8") as f:
            f.write(f"\n{lab.url}/page/1\r\n\n   {lab.url}/page/2  \n"
                    f"{lab.url}/page/3")
        got = lab.fetch("--ordered", "-i", lab.path("list"), "-i", "-",
                        f"{lab.url}/page/0",
                        given=f"{lab.url}/page/4\n".encode())
        assert [line.split("/")[-1] for line in got.lines] == \
            ["0", "1", "2", "3", "4"], got
        got = lab.fetch("-0", "--ordered", "-i", "-",
                        given=f"{lab.url}/page/1\0{lab.url}/page/2\0".encode())
        assert len(got.lines) == 2 and got.status == 0, got
        got = lab.fetch("-i", "-", given=b"http://h/" + b"x" * 9000)
        assert got.status == 1 and "longer than" in got.err, got
        assert lab.fetch("-i", "-", given=b"").status == 0


def duplicates():
    """A URL that comes again is left out, and said to be"""
    with Lab(BELAY) as lab:
        url = f"{lab.url}/page/1"
        got = lab.fetch("--json", url, url, url)
        assert lab.seen("/page/1") == 1
        assert sorted(o["result"] for o in got.json) == \
            ["ok", "skipped", "skipped"], got
        assert got.status == 0
        assert lab.fetch("--allow-duplicates", url, url).status == 0
        assert lab.seen("/page/1") == 3


def again():
    """A body that breaks off is fetched again, and is whole then"""
    with Lab(BELAY) as lab:
        got = lab.fetch("--json", "-o", lab.path("d"), "--name", "{file}",
                        f"{lab.url}/torn/1")
        assert got.json[0]["attempts"] == 2 and got.status == 0, got
        assert lab.files("d") == {"1": page("1")}
        got = lab.fetch("--json", "--retries", "0", f"{lab.url}/torn/2")
        assert got.json[0]["error"]["kind"] == "reset", got
        # What is on stdout cannot be taken back.
        got = lab.fetch("--body=-", f"{lab.url}/torn/3")
        assert got.status == 1 and lab.seen("/torn/3") == 1
        assert page("3").decode().startswith(got.out)


def headers():
    """-H and --user-agent go with each request"""
    with Lab(BELAY) as lab:
        lab.fetch("-H", "X-One: 1", "--user-agent", "me", f"{lab.url}/page/1")
        assert lab.headers["/page/1"]["X-One"] == "1"
        assert lab.headers["/page/1"]["User-Agent"] == "me"
        assert lab.fetch("-H", "X: a\r\nY: b", lab.url).status == 2


def rate():
    """--rate: no request comes earlier than its turn"""
    with Lab(BELAY) as lab:
        urls = [f"{lab.url}/page/{i}" for i in range(6)]
        for how in ("20/s", "20/s/host"):
            lab.times.clear()
            assert lab.fetch("--rate", how, *urls).status == 0
            assert max(lab.times) - min(lab.times) >= 0.2, lab.times


def busy():
    """A host that answers 429 is asked less often than --rate allows"""
    with Lab(BELAY) as lab:
        urls = [f"{lab.url}/busy/{i}" for i in range(9)]
        got = lab.fetch("--rate", "100/s/host", "-j", "1", "--retries", "0",
                        *urls)
        assert "4 ok, 5 failed" in got.err, got
        # After five of them 32 times less often, then a tenth better each.
        assert lab.times[-1] - lab.times[5] >= 0.6, lab.times


def elsewhere():
    """A failure behind a redirect says where it was"""
    with Lab(BELAY) as lab:
        got = lab.fetch("--retries", "0", f"{lab.url}/to/http://127.0.0.1:1/x")
        assert "refused (connect)" in got.err, got
        assert "redirected to http://127.0.0.1:1/x" in got.err, got


def colours():
    """NO_COLOR, --color, and none into a pipe"""
    with Lab(BELAY) as lab:
        url = f"{lab.url}/page/1"
        assert "\033" not in lab.fetch(url).out
        assert "\033" in lab.fetch("--color=always", url).out
        assert "\033" in lab.fetch(url, env={"CLICOLOR_FORCE": "1"}).out
        assert "\033" not in lab.fetch(
            url, env={"CLICOLOR_FORCE": "1", "NO_COLOR": "1"}).out
        evil = f"{lab.url}/\033[31m"
        got = lab.fetch(evil)
        assert "\033" not in got.out + got.err, got


def many():
    """A list of a million lines takes no more memory than a short one"""
    with Lab(BELAY) as lab:
        with open(lab.path("list"), "w", encoding="utf-8") as f:
            f.writelines(f"x:{i}\n" for i in range(1000000))
        p = lab.start("fetch", "-q", "--ordered", "-i", lab.path("list"))
        lines_seen = sum(1 for _ in p.stdout)
        p.communicate()
        assert p.returncode == 1 and lines_seen == 1000000
        used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        assert used < 80 * 1024, f"{used} KiB"


main([lines, objects, stdout, inline, files, outside, taken, ordered,
      completion, inputs, duplicates, again, headers, rate, busy,
      elsewhere, colours, many])
