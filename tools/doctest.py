#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compiles every C block of the documents; runs those that show output.

    tools/doctest.py BUILD [FILE.md...]

BUILD is a build directory that holds src/libbelay.so. In the Markdown,

    ```c           is a program if it has a main(), else file-level text
    ```c body      is the inside of a function that returns int
    ```c ignore    is not compiled; an HTML comment before it says why

A ```text block that directly follows a program is what the program prints;
a line of it that begins with ~ is a regular expression. Text that several
blocks of a page need is in a comment: <!-- doctest-prelude ... -->.
"""
import glob
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

import csource as c
from tap import Tap

HEAD = "#include <belay.h>\n"
TEST_HEAD = HEAD + "#include <belay/test.h>\n"
FLAGS = ["-std=gnu11", "-Wall", "-Wextra", "-Wno-unused-function",
         "-Wno-unused-parameter", "-Wno-unused-variable",
         "-Wno-unused-but-set-variable", "-Werror", "-O1", "-pthread"]

BLOCK = re.compile(
    r"(?P<before>(?:^<!--(?:(?!-->).)*-->\s*\n)?)"
    r"^(?P<indent> *)```c(?P<how>(?: [^\n]*)?)\n(?P<body>.*?)^ *```\n"
    r"(?:\s*^ *```text\n(?P<output>.*?)^ *```\n)?", re.M | re.S)
PRELUDE = re.compile(r"<!-- doctest-prelude\n(.*?)-->", re.S)


class Block:
    def __init__(self, path, data, m):
        line = data.count("\n", 0, m.start("body"))
        self.name = f"{path}:{line}"
        self.line = line + 1
        self.path = path
        self.how = m.group("how").strip()
        indent = len(m.group("indent"))
        self.body = "".join(s[indent:] or "\n" for s in
                            m.group("body").splitlines(True))
        self.output = m.group("output")
        if self.output is not None:
            self.output = "".join(s[indent:] or "\n" for s in
                                  self.output.splitlines(True))
        self.reason = m.group("before").strip()
        self.prelude = "".join(PRELUDE.findall(data[:m.start("body")]))

    def is_test(self):
        return "BELAY_TEST(" in self.body or "belay_test_" in self.body

    def is_program(self):
        return bool(re.search(r"^(int\s+)?main\s*\(", self.body, re.M)
                    or re.search(r"^BELAY_TEST\(", self.body, re.M))

    def source(self):
        head = TEST_HEAD if self.is_test() else HEAD
        mark = f'#line {self.line} "{self.path}"\n'
        if self.how == "body":
            return (head + self.prelude + "int doc_body(void);\nint\n"
                    "doc_body(void)\n{\n" + mark + self.body
                    + "return 0;\n}\n")
        if self.is_program():
            # A program is what a reader types: it has all it needs.
            return mark + self.body
        return head + self.prelude + mark + self.body


def blocks_of(path):
    data = c.text(path)
    return [Block(path, data, m) for m in BLOCK.finditer(data)]


def same_output(want, have):
    want, have = want.splitlines(), have.splitlines()
    if len(want) != len(have):
        return False
    for w, h in zip(want, have):
        if w.startswith("~"):
            if not re.fullmatch(w[1:].strip(), h):
                return False
        elif w.rstrip() != h.rstrip():
            return False
    return True


def try_block(block, build):
    """The problems with one block."""
    if block.how == "ignore":
        if re.match(r"<!--.{8,}-->", block.reason, re.S):
            return []
        return ["a comment before an ignored block says why it is"]
    if block.how not in ("", "body"):
        return [f"unknown kind of block: c {block.how}"]
    with tempfile.TemporaryDirectory() as tmp:
        source = os.path.join(tmp, "block.c")
        with open(source, "w", encoding="utf-8") as f:
            f.write(block.source())
        run_it = block.output is not None
        lib = os.path.join(c.ROOT, build, "src")
        kit = "-test" if block.is_test() else ""
        room = next((n for n in c.LIBRARIES if f"<belay/{n}" in block.body),
                    None)
        if room and not glob.glob(f"{lib}/{room}/libbelay-{room}{kit}.*"):
            run_it = False
        cmd = ["gcc", *FLAGS, "-I", os.path.join(c.ROOT, "include"), source]
        if not run_it:
            cmd += ["-fsyntax-only"]
        else:
            cmd += ["-o", os.path.join(tmp, "block"), "-L", lib]
            if room:
                cmd += [f"-L{lib}/{room}", f"-lbelay-{room}{kit}",
                        f"-Wl,-rpath,{lib}/{room}"]
            cmd += [f"-lbelay{kit}", f"-Wl,-rpath,{lib}"]
            if room and kit:
                cmd += c.LIBRARY_NEEDS[room]
        done = subprocess.run(cmd, capture_output=True, text=True)
        if done.returncode:
            return [done.stderr[:2000]]
        if not run_it:
            return []
        if not (block.is_program() or block.is_test()):
            return ["a block with output is a program with a main()"]
        try:
            done = subprocess.run([os.path.join(tmp, "block")], cwd=tmp,
                                  stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True,
                                  timeout=60)
        except subprocess.TimeoutExpired:
            return ["still running after 60 s"]
        if not same_output(block.output, done.stdout):
            return ["printed:\n" + done.stdout[:2000],
                    "expected:\n" + block.output]
    return []


def main():
    build = sys.argv[1]
    pages = sys.argv[2:] or [f for f in c.files() if f.endswith(".md") and (
        f == "README.md" or f.startswith("docs/"))]
    tap = Tap()
    blocks = [b for page in pages for b in blocks_of(page)]
    with ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        results = pool.map(lambda b: try_block(b, build), blocks)
        for block, problems in zip(blocks, results):
            tap.check(block.name + (f" ({block.how})" if block.how else ""),
                      problems)
    tap.check(f"{len(blocks)} blocks in {len(pages)} pages",
              [] if pages else ["no page found"])
    tap.done()


if __name__ == "__main__":
    main()
