# SPDX-License-Identifier: MIT
"""What the checks need to know about C text: no parser, but enough of one
for code that keeps to the form of docs/STYLE.md."""
import functools
import os
import re
import subprocess

# Rooms that are libraries of their own, with their public headers; _test.h is
# for those who link ROOM-test instead.
LIBRARIES = {
    "http": ("include/belay/http.h", "include/belay/http_test.h"),
    "tls": ("include/belay/tls.h",),
}
# What their static libraries need besides.
LIBRARY_NEEDS = {
    "http": ["-lcurl", "-ljansson"],
    "tls": ["-lssl", "-lcrypto"],
}

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

TOKEN = re.compile(
    r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)


@functools.lru_cache(None)
def text(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return f.read()


def blank(match):
    return re.sub(r"[^\n]", " ", match.group(0))


@functools.lru_cache(None)
def code(path):
    """The text without comments and strings; lines and columns stay."""
    return TOKEN.sub(blank, text(path))


@functools.lru_cache(None)
def files():
    """Every file of the project that git knows or would take."""
    try:
        out = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard", "-z"],
            cwd=ROOT, capture_output=True, check=True).stdout.decode()
        found = out.split("\0")
    except (OSError, subprocess.CalledProcessError):
        found = []
        for base, dirs, names in os.walk(ROOT):
            dirs[:] = [d for d in dirs if d not in ("build", ".git")]
            found += [os.path.relpath(os.path.join(base, n), ROOT)
                      for n in names]
    return sorted(f for f in found
                  if f and os.path.isfile(os.path.join(ROOT, f)))


def under(*places, ext=(".c", ".h")):
    return [f for f in files()
            if f.endswith(ext) and any(f.startswith(p) for p in places)]


def includes(path):
    """(line, form, name) of each include; form is " or <."""
    found = []
    for number, line in enumerate(text(path).split("\n"), 1):
        m = re.match(r'\s*#\s*include\s*(["<])([^">]+)[">]', line)
        if m:
            found.append((number, m.group(1), m.group(2)))
    return found


class Function:
    def __init__(self, name, head, first, last):
        self.name = name    # the word before the first parenthesis
        self.head = head    # the text from the end of what came before
        self.first = first  # line of the opening brace
        self.last = last    # line of the closing brace


@functools.lru_cache(None)
def functions(path):
    """The function bodies at file level, macro-made ones included."""
    lines = code(path).split("\n")
    found = []
    i = 0
    while i < len(lines):
        line = lines[i]
        alone = line.rstrip() == "{"
        same = re.match(r"[A-Za-z_].*\)\s*\{\s*$", line) and "=" not in line
        if not (alone or same):
            i += 1
            continue
        start = i
        while start > 0 and lines[start - 1].strip() and not re.match(
                r"[#}]|.*;\s*$|.*\*/", lines[start - 1]):
            start -= 1
        head = "\n".join(lines[start:i + 1]).rstrip("{ \n")
        end = i + 1
        while end < len(lines) and not lines[end].startswith("}"):
            end += 1
        m = re.search(r"(\w+)\s*\(", re.sub(
            r"__attribute__\s*\(\(.*?\)\)|BLY_PRINTF\([^)]*\)", "", head))
        if m and head.endswith(")"):
            found.append(Function(m.group(1), head, i + 1, end + 1))
        i = end + 1
    return found


def is_macro_made(function):
    """BELAY_TASK(name, ...) { and its like."""
    return function.name.isupper()


@functools.lru_cache(None)
def public_headers():
    return under("include/", ext=".h")


def is_for_tests(header):
    return header.endswith(("/test.h", "_test.h"))


def library_of(header):
    """The room whose library has what a header declares; None: libbelay."""
    for name, headers in LIBRARIES.items():
        if header in headers:
            return name
    return None


def public_functions():
    """{name: header} of what the headers declare with BELAY_API."""
    found = {}
    for path in public_headers():
        flat = re.sub(r"^\s*#.*?(?<!\\)$", "", code(path), flags=re.M | re.S)
        for m in re.finditer(r"\bBELAY_API\b([^;]*);", flat):
            words = re.findall(r"\b(belay_\w+)\s*\(", m.group(1))
            if not words:
                words = re.findall(r"\b(belay_\w+)\b", m.group(1))[-1:]
            if words:
                found[words[0]] = path
    return found


def public_macros():
    """{name: header} of the macros with arguments that are for users."""
    found = {}
    for path in public_headers():
        for m in re.finditer(r"^#\s*define\s+(\w+)\(", text(path), re.M):
            if not re.search(r"_(\d|many)?$", m.group(1)):
                found[m.group(1)] = path
    return found
