#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks the rules of docs/STYLE.md that a program can check; prints TAP.

    tools/tidy.py            all checks
    tools/tidy.py NAME...    these checks
    tools/tidy.py --fix      adds new files to the lists in the meson.build
                             files, and writes src/belay.c and src/belay.map
"""
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import csource as c
from tap import Tap

# --- the rules' tables -----------------------------------------------------

FLOORS = {
    "base": 0,
    "arch": 1, "os": 1, "trace": 1,
    "core": 2,
    "sync": 3, "io": 3,
    "exec": 4, "policy": 4, "pool": 4, "tls": 4, "http": 4, "cluster": 4,
    "sim": 4,
    "": 5,  # files directly in src/
}
# Rooms are written against the public headers, with bricks from these.
ROOM_BRICKS = {"base", "os"}
# The simulated machine stands in for the floors below it.
NOT_A_ROOM = {"sim"}

FILE_LINES = 600
FUNCTION_LINES = 70
LINE_COLUMNS = 80

# path: reason
LONG_FILES = {
}
# (path, function): reason
LONG_FUNCTIONS = {
}
# path: reason
WIDE_LINES = {
}
# path: reason
OWN_HEADER_LATER = {
}
# path: what has to stand before it, and why that is right
HEADERS_NOT_ALONE = {
}
# path: reason why this header's names need no guard of its own
UNGUARDED_HEADERS = {
    "tests/cross/check.h": "takes the place of the system's header",
}

# Outside C these may be longer, or are text of another kind.
TEXT = (".c", ".h", ".py", ".md", ".sh", ".build", ".map", ".txt", ".in",
        ".out")
SCRIPTS = ("tools/ci", "tools/setup", ".ci/run", "Makefile", ".clang-format",
           ".clang-tidy", ".editorconfig", ".gitignore")

# (pattern, where it is looked for, where it is allowed, what to do instead)
CALL = r"(?<![\w.>])(?:%s)\s*\("
BANNED = [
    (CALL % "strcpy|strcat|sprintf|vsprintf|gets|strtok|rand|srand|alloca|atoi",
     ("src/", "include/", "tests/", "examples/", "bench/", "demo/", "cli/"),
     (),
     "unbounded, global or unchecked"),
    (CALL % "sleep|usleep|nanosleep|clock_nanosleep",
     ("src/", "tests/"), ("src/os/",),
     "wait for the event, or for virtual time"),
    (CALL % "clock_gettime|gettimeofday|time|getpid|getrandom|getentropy",
     ("src/",), ("src/os/",), "chance and time come through os/os.h"),
    (CALL % "malloc|calloc|realloc|reallocarray|free|strdup|strndup|"
     "posix_memalign|aligned_alloc",
     ("src/",), ("src/base/",), "use base/alloc.h"),
    (r"\b(?:__atomic_\w+|__sync_\w+|_Atomic|atomic_\w+)\b",
     ("src/",), ("src/base/atomic.h", "src/sim/"), "use base/atomic.h"),
    (r"\bBELAY_CLEANUP_|\bcleanup\s*\(|__cleanup__",
     ("src/",), (), "cleanup attributes are for users' code"),
]

LEFTOVERS = re.compile(
    r"\b(TODO|FIXME|XXX|HACK)\b|/work/"
    r"|\b(?i:for now|stub|stubs|stubbed|placeholder|dummy|issues? #?\d)\b")
# These have to spell the words.
LEFTOVERS_ALLOWED = ("tools/tidy.py",)

# --- floors and includes ---------------------------------------------------


def room(path):
    """src/core/wait.c -> core; src/run.c -> the empty name."""
    return os.path.dirname(path[len("src/"):])


def internal_edges(path):
    """(line, path) of the internal headers that a file includes."""
    return [(line, "src/" + name) for line, form, name in c.includes(path)
            if form == '"']


def floors():
    problems = []
    for path in c.under("src/"):
        here = room(path)
        if here not in FLOORS:
            problems.append(f"{path}: directory '{here}' has no floor")
            continue
        if path == "src/belay.c":
            continue
        for line, target in internal_edges(path):
            there = room(target)
            where = f"{path}:{line}: includes {target[4:]}"
            if not os.path.exists(os.path.join(c.ROOT, target)):
                problems.append(f"{where}, which is not in src/")
            elif there == here:
                pass
            elif FLOORS.get(there, 9) >= FLOORS[here]:
                problems.append(f"{where}, not on a lower floor")
            elif (FLOORS[here] == 4 and here not in NOT_A_ROOM
                  and there not in ROOM_BRICKS):
                problems.append(f"{where}; a room sees only the public "
                                "headers, base/ and os/")
    for path in c.public_headers():
        for line, form, name in c.includes(path):
            if form == '"':
                problems.append(f"{path}:{line}: a public header includes "
                                "public headers in <> only")
    for path in c.under("examples/", "demo/", "cli/", "tests/behave/",
                        "tests/install/"):
        for line, form, name in c.includes(path):
            if form == '"' and name.split("/")[0] in FLOORS:
                problems.append(f"{path}:{line}: public headers only")
    return problems


def cycles():
    edges = {p: [t for _, t in internal_edges(p)] for p in c.under("src/")}
    for p in c.public_headers():
        edges[p] = ["include/" + n for _, f, n in c.includes(p) if f == "<"]
    problems, state = [], {}

    def visit(path, trail):
        state[path] = "open"
        for target in edges.get(path, ()):
            if state.get(target) == "open":
                loop = trail[trail.index(target):] + [target]
                problems.append(" -> ".join(loop))
            elif target not in state:
                visit(target, trail + [target])
        state[path] = "done"

    for path in edges:
        if path not in state:
            visit(path, [path])
    return problems


def include_order():
    """Own header, <belay...>, "...", then the system's."""
    problems = []
    for path in c.under("src/", "tests/", "bench/", "examples/", "demo/",
                        "cli/"):
        if path == "src/belay.c":
            continue
        own = None
        for place in ("src/", "tests/unit/"):
            if path.startswith(place):
                own = path[len(place):-1] + "h"
        if own and not os.path.exists(os.path.join(c.ROOT, "src", own)):
            own = None
        if path.startswith("cli/") and path.endswith(".c"):
            own = path[:-1] + "h"
            if not os.path.exists(os.path.join(c.ROOT, own)):
                own = None
        ranks = []
        for line, form, name in c.includes(path):
            if name == own:
                rank = 0
            elif form == "<":
                rank = 1 if re.match(r"belay[./]", name) else 3
            else:
                rank = 2
            ranks.append((rank, line, name))
        for (a, _, before), (b, line, name) in zip(ranks, ranks[1:]):
            if b < a:
                problems.append(f"{path}:{line}: {name} after {before}")
        if (own and path.endswith(".c") and path not in OWN_HEADER_LATER
                and (not ranks or ranks[0][0] != 0)):
            problems.append(f"{path}: own header {own} is not first")
    return problems


def compile_alone(path, *flags):
    cmd = ["gcc", "-std=gnu11", "-fsyntax-only", "-Wall", "-Wextra", "-Werror",
           "-Wno-unused-function", "-D_GNU_SOURCE", "-Iinclude", "-Isrc",
           *flags, "-x", "c", path]
    run = subprocess.run(cmd, cwd=c.ROOT, capture_output=True, text=True)
    if run.returncode:
        return f"{path} {' '.join(flags)}\n" + run.stderr[:600]
    return None


def headers_alone():
    jobs = []
    for path in c.under("src/", "include/", ext=(".h",)):
        if path in HEADERS_NOT_ALONE:
            continue
        jobs.append((path,))
        if path.startswith("src/"):
            jobs.append((path, "-DBLY_SIM=1"))
    with ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        return [p for p in pool.map(lambda j: compile_alone(*j), jobs) if p]


def guards():
    problems = []
    for path in c.under("src/", "include/", "tests/", "bench/", "demo/",
                        "cli/", ext=(".h",)):
        if path in UNGUARDED_HEADERS:
            continue
        words = re.sub(r"\W", "_", path.split("/", 1)[1]).upper()
        if path.startswith("src/"):
            words = "BLY_" + words
        elif path.startswith("cli/"):
            words = "CLI_" + words
        if not re.search(rf"^#ifndef {words}\n#define {words}\n",
                         c.text(path), re.M):
            problems.append(f"{path}: no #ifndef {words}, #define {words}")
    return problems


def umbrella():
    """belay.h leads to every public header but the test kit's and those of
    other libraries."""
    seen, todo = set(), ["include/belay.h"]
    while todo:
        path = todo.pop()
        if path in seen or not os.path.exists(os.path.join(c.ROOT, path)):
            continue
        seen.add(path)
        todo += ["include/" + n for _, f, n in c.includes(path) if f == "<"]
    return [f"include/belay.h does not lead to {h}"
            for h in c.public_headers()
            if h not in seen and not c.is_for_tests(h)
            and c.library_of(h) is None]


# --- budgets and form ------------------------------------------------------


def budgets():
    problems = []
    for path in c.under("src/", "include/", "tests/", "bench/", "examples/",
                        "demo/", "cli/"):
        lines = c.text(path).count("\n")
        if lines > FILE_LINES and path not in LONG_FILES:
            problems.append(f"{path}: {lines} lines, at most {FILE_LINES}")
        if not path.endswith(".c"):
            continue
        for f in c.functions(path):
            size = f.last - f.first + 1
            if size > FUNCTION_LINES and (path, f.name) not in LONG_FUNCTIONS:
                problems.append(f"{path}:{f.first}: {f.name} has {size} lines,"
                                f" at most {FUNCTION_LINES}")
    for path, name in LONG_FUNCTIONS:
        if not any(f.name == name and f.last - f.first + 1 > FUNCTION_LINES
                   for f in c.functions(path)):
            problems.append(f"{path}: {name} needs no exception")
    for path in LONG_FILES:
        if c.text(path).count("\n") <= FILE_LINES:
            problems.append(f"{path} needs no exception")
    return problems


def layout():
    problems = []
    for path in c.files():
        if not (path.endswith(TEXT) or path in SCRIPTS):
            continue
        data = c.text(path)
        if data and not data.endswith("\n"):
            problems.append(f"{path}: no newline at the end")
        if data.endswith("\n\n"):
            problems.append(f"{path}: empty line at the end")
        is_c = path.endswith((".c", ".h"))
        for number, line in enumerate(data.split("\n"), 1):
            if "\t" in line and path != "Makefile":
                problems.append(f"{path}:{number}: tab")
            if line != line.rstrip() and not path.endswith((".out", ".md")):
                problems.append(f"{path}:{number}: space at the end")
            if (is_c and len(line) > LINE_COLUMNS and path not in WIDE_LINES
                    and not line.startswith("/* expect-")):
                problems.append(f"{path}:{number}: {len(line)} columns")
    return problems


def licence():
    problems = []
    for path in c.files():
        if path.endswith((".c", ".h")):
            first = c.text(path).split("\n", 5)
            if path.startswith("tests/check/wrong/"):
                first = [line for line in first if not re.match(
                    r"/\* (expect-\w+|flags): ", line)]
            if first[0] != "/* SPDX-License-Identifier: MIT */":
                problems.append(f"{path}: does not begin with the SPDX line")
            elif (len(first) < 2 or not first[1].startswith("/*")) and \
                    not path.startswith("tests/check/"):
                problems.append(f"{path}: no comment that says what it is")
        elif path.endswith((".py", ".build")) or path in (
                "Makefile", "tools/ci", "tools/setup", ".ci/run"):
            if "SPDX-License-Identifier: MIT" not in c.text(path)[:120]:
                problems.append(f"{path}: no SPDX line")
    return problems


def definitions():
    """Return type on its own line, brace on its own line, names."""
    problems = []
    for path in c.under("src/", "tests/", "bench/", "examples/", "demo/",
                        "cli/"):
        if path.startswith("tests/check/wrong/"):
            continue
        lines = c.code(path).split("\n")
        for f in c.functions(path):
            if c.is_macro_made(f):
                continue
            where = f"{path}:{f.first}: {f.name}"
            if lines[f.first - 1].rstrip() != "{":
                problems.append(f"{where}: brace on its own line")
            if not re.search(rf"^{f.name}\s*\(", f.head, re.M):
                problems.append(f"{where}: return type on its own line")
            for number in range(f.first, f.last):
                if re.match(r"\s*#\s*(if|else|elif|ifdef)", lines[number]):
                    problems.append(f"{path}:{number + 1}: #if inside "
                                    f"{f.name}")
            if (path.startswith("src/")
                    and not re.search(r"\b(static|BLY_INLINE)\b", f.head)
                    and not re.match(r"(bly_|belay_|__tsan_)", f.name)
                    and f.name != "main"):
                problems.append(f"{where}: neither static nor bly_ or belay_")
            if path.startswith("src/") and f.name.startswith(
                    ("bly_", "belay_")) and re.search(r"\bstatic\b", f.head):
                problems.append(f"{where}: a static function has no prefix")
    for path in c.public_headers():
        for m in re.finditer(r"^\s*#\s*define\s+(\w+)", c.text(path), re.M):
            if not re.match(r"(BELAY|belay)_", m.group(1)):
                problems.append(f"{path}: macro {m.group(1)}")
    return problems


# --- contents --------------------------------------------------------------


def banned_calls():
    problems = []
    for pattern, places, allowed, instead in BANNED:
        for path in c.under(*places):
            if any(path.startswith(a) for a in allowed):
                continue
            for number, line in enumerate(c.code(path).split("\n"), 1):
                m = re.search(pattern, line)
                if m:
                    problems.append(f"{path}:{number}: {m.group(0)} {instead}")
    return problems


def ordered_operations():
    """The macros of base/atomic.h that are not relaxed."""
    found = []
    if not os.path.exists(os.path.join(c.ROOT, "src/base/atomic.h")):
        return found
    flat = c.code("src/base/atomic.h").replace("\\\n", " ")
    for m in re.finditer(r"^#define (bly_\w+)\((.*)$", flat, re.M):
        if re.search(r"__ATOMIC_(SEQ_CST|ACQUIRE|RELEASE|ACQ_REL)",
                     m.group(2)):
            found.append(m.group(1))
    return found


def pairings():
    """Each ordered atomic operation names the function it pairs with."""
    ops = ordered_operations()
    if not ops:
        return ["src/base/atomic.h defines no ordered operation"]
    use = re.compile(r"\b(%s)\s*\(" % "|".join(ops))
    known = {"itself"}
    for path in c.under("src/", "include/"):
        known.update(re.findall(r"\b(\w+)\s*\(", c.code(path)))
    problems = []
    for path in c.under("src/"):
        if path == "src/base/atomic.h":
            continue
        text = c.text(path).split("\n")
        for number, line in enumerate(c.code(path).split("\n"), 1):
            m = use.search(line)
            if not m or line.startswith("#define"):
                continue
            near = "\n".join(text[max(0, number - 7):number + 1])
            said = re.findall(r"pairs\s+with([^/]*)", re.sub(
                r"\n\s*\*", "\n", near), re.I)
            if not said:
                problems.append(f"{path}:{number}: {m.group(1)} pairs with?")
            elif not any(w in known for w in re.findall(r"\w+", said[-1])):
                problems.append(f"{path}:{number}: 'pairs with "
                                f"{said[-1].strip()}' names no function")
    return problems


def leftovers():
    problems = []
    for path in c.files():
        if path in LEFTOVERS_ALLOWED or not (
                path.endswith(TEXT) or path in SCRIPTS):
            continue
        for number, line in enumerate(c.text(path).split("\n"), 1):
            m = LEFTOVERS.search(line)
            if m:
                problems.append(f"{path}:{number}: '{m.group(0)}'")
    return problems


# --- lists -----------------------------------------------------------------


def listed(path, name):
    """The strings in the array `name` of a meson.build, with comments gone."""
    m = re.search(rf"^{name} = \[(.*?)^\]", c.text(path), re.M | re.S)
    body = re.sub(r"#[^\n]*", "", m.group(1)) if m else ""
    return re.findall(r"'([^']*)'", body)


def versions():
    """The version is said in several places."""
    m = re.search(r"version: '([^']+)'", c.text("meson.build"))
    want = m.group(1)
    major, minor = want.split(".")[:2]
    problems = []
    for path, text in (
            ("include/belay/base.h", f'#define BELAY_VERSION "{want}"'),
            ("include/belay/base.h", f"#define BELAY_VERSION_MAJOR {major}\n"),
            ("include/belay/base.h", f"#define BELAY_VERSION_MINOR {minor}\n"),
            ("CMakeLists.txt", f"VERSION {want} ")):
        if text not in c.text(path):
            problems.append(f"{path} does not say {text.strip()}")
    return problems


def source_order(name):
    return [FLOORS.get(os.path.dirname(s), 9)
            for s in listed("src/meson.build", name)]


# (directory, name of the array in its meson.build, what it lists)
PROGRAM_LISTS = [
    ("tests/unit/", "unit_tests", ".c"),
    ("tests/behave/", "behave_tests", ".c"),
    ("tests/explore/", "explore_tests", ".c"),
    ("tests/driver/", "driver_tests", ".c"),
    ("examples/", "examples", ".c"),
    ("docs/man/", "man_pages", ".md"),
    ("tests/behave/http/", "http_behave_tests", ".c"),
    ("tests/behave/tls/", "tls_behave_tests", ".c"),
    ("bench/", "bench_sources", ".c"),
]
# These are built by their own script.
NOT_LISTED = ("bench/peers/", "tests/behave/copies/",
              "tests/behave/http/server.c", "tests/behave/tls/certs.c",
              "tests/driver/real.c",
              "tests/driver/sim.c")


def programs(place, ext):
    deeper = tuple(p for p, _, _ in PROGRAM_LISTS
                   if p.startswith(place) and p != place)
    return [p[len(place):-len(ext)] for p in c.under(place, ext=(ext,))
            if not p.startswith(NOT_LISTED + deeper)]


def main_sources():
    """The sources of libbelay and libbelay-test, as src/meson.build says."""
    return [p[4:] for p in c.under("src/", ext=(".c",))
            if p != "src/belay.c" and room(p) not in c.LIBRARIES]


def library_lists():
    """(meson.build, its arrays, the sources that are to be there)."""
    for name in c.LIBRARIES:
        place = f"src/{name}/"
        if place + "meson.build" not in c.files():
            continue
        yield (place + "meson.build", (f"{name}_sources",
               f"{name}_real_sources", f"{name}_test_sources"),
               programs(place, ".c"))


def source_lists():
    problems = []
    sources = listed("src/meson.build", "belay_sources")
    sim = listed("src/meson.build", "sim_sources")
    there = main_sources()
    for path in there:
        in_sim = path.startswith("sim/")
        if (sources + sim).count(path) != 1 or (path in sim) != in_sim:
            problems.append(f"src/{path} is not once in src/meson.build")
    for where, names, files in library_lists():
        have = sum((listed(where, name) for name in names), [])
        problems += [f"{where[:-11]}{f}.c is not once in {where}"
                     for f in files if have.count(f + ".c") != 1]
    order = source_order("belay_sources")
    if order != sorted(order):
        problems.append("src/meson.build: the sources are not in floor order")
    for place, name, ext in PROGRAM_LISTS:
        names = listed(place + "meson.build", name)
        for short in programs(place, ext):
            if names.count(short) != 1:
                problems.append(f"{place}{short}{ext} is not once in "
                                f"{place}meson.build")
    return problems


FLOOR_NAMES = {
    0: "soil", 1: "ground", 2: "core", 3: "doors", 4: "rooms", 5: "roof",
}


def source_list_text():
    """src/meson.build with the sources that it does not have yet."""
    data = c.text("src/meson.build")
    there = main_sources()
    for name, mine in (("belay_sources", False), ("sim_sources", True)):
        have = [s for s in listed("src/meson.build", name) if s in there]
        have += [s for s in there
                 if s.startswith("sim/") == mine and s not in have]
        # A stable sort: the order within a directory is a person's choice.
        dirs = list(FLOORS)
        have.sort(key=lambda s: dirs.index(os.path.dirname(s)))
        body, floor = "", None
        for source in have:
            here = FLOORS[os.path.dirname(source)]
            if here != floor and not mine:
                body += f"    # floor {here}: {FLOOR_NAMES[here]}\n"
            floor = here
            body += f"    '{source}',\n"
        data = re.sub(rf"^{name} = \[.*?^\]",
                      lambda _: f"{name} = [\n{body}]", data,
                      flags=re.M | re.S)
    return data


def library_list_text(where, names, files):
    """A library's meson.build with the sources that it does not have yet."""
    have = sum((listed(where, name) for name in names), [])
    new = [f"{f}.c" for f in files if f"{f}.c" not in have]
    both = sorted([s for s in listed(where, names[0])
                   if s[:-2] in files] + new)
    body = "".join(f"    '{s}',\n" for s in both)
    return re.sub(rf"^{names[0]} = \[.*?^\]",
                  lambda _: f"{names[0]} = [\n{body}]", c.text(where),
                  flags=re.M | re.S)


ONE_FILE = """\
/* SPDX-License-Identifier: MIT */
/*
 * The whole library as one file: compile this one and need no build system,
 *
 *     cc -std=gnu11 -Iinclude -Isrc app.c src/belay.c -pthread
 *
 * and a table of contents in reading order, from the ground up.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

"""


def one_file_text():
    parts, floor = [], None
    for source in listed("src/meson.build", "belay_sources"):
        here = FLOORS.get(os.path.dirname(source), 9)
        if floor is not None and here != floor:
            parts.append("\n")
        floor = here
        parts.append(f'#include "{source}"\n')
    return ONE_FILE + "".join(parts)


def one_file():
    if "src/belay.c" not in c.files():
        return ["src/belay.c is missing: tools/tidy.py --fix"]
    have = [n for _, f, n in c.includes("src/belay.c") if f == '"']
    want = listed("src/meson.build", "belay_sources")
    if have != want:
        return ["src/belay.c does not include the sources of src/meson.build,"
                " each once and in that order: tools/tidy.py --fix"]
    return []


# --- symbols ---------------------------------------------------------------


def shared_symbols(library=None):
    return sorted(n for n, h in c.public_functions().items()
                  if not c.is_for_tests(h) and c.library_of(h) == library)


def maps():
    """(path, the library it is for)."""
    yield "src/belay.map", None
    for name in c.LIBRARIES:
        if f"src/{name}/{name}.map" in c.files():
            yield f"src/{name}/{name}.map", name


def map_symbols(path):
    return re.findall(r"^\s*(belay_\w+);", c.text(path), re.M)


def map_text(library=None):
    body = "".join(f"    {name};\n" for name in shared_symbols(library))
    return f"BELAY_0.1 {{\nglobal:\n{body}local:\n    *;\n}};\n"


def symbol_map():
    problems = []
    for path, library in maps():
        want, have = shared_symbols(library), map_symbols(path)
        problems += [f"{n} is declared but not in {path}"
                     for n in want if n not in have]
        problems += [f"{n} is in {path} but in no header"
                     for n in have if n not in want]
        problems += [f"{n} is twice in {path}"
                     for n in set(have) if have.count(n) > 1]
        if "*" in re.sub(r"local:\s*\*;", "", c.text(path)):
            problems.append(f"{path}: name each symbol")
    return problems


def man_names():
    """Every name that a page heads a section with or lists under NAME."""
    found = set()
    for path in c.under("docs/man/", ext=(".md",)):
        data = c.text(path)
        m = re.search(r"^## NAME\n(.*?)(?=^## )", data, re.M | re.S)
        if m:
            found.update(re.findall(r"\w+", m.group(1)))
        for head in re.findall(r"^###+ (.*)$", data, re.M):
            found.update(re.findall(r"\w+", head))
    return found


def man_pages():
    names = man_names()
    problems = []
    for kind, table in (("function", c.public_functions()),
                        ("macro", c.public_macros())):
        for name, header in sorted(table.items()):
            if name not in names and name.rstrip("_") not in names:
                problems.append(f"{kind} {name} ({header}) has no section in "
                                "docs/man")
    return problems


CHECKS = [
    ("floors", floors), ("cycles", cycles), ("include-order", include_order),
    ("headers-alone", headers_alone), ("guards", guards),
    ("umbrella", umbrella),
    ("budgets", budgets), ("layout", layout), ("licence", licence),
    ("definitions", definitions), ("banned-calls", banned_calls),
    ("pairings", pairings), ("leftovers", leftovers),
    ("source-lists", source_lists), ("one-file", one_file),
    ("versions", versions), ("symbol-map", symbol_map),
    ("man-pages", man_pages),
]


def program_list_text(place, name, ext):
    body = "".join(f"    '{n}',\n" for n in sorted(programs(place, ext)))
    return re.sub(rf"^{name} = \[.*?^\]", f"{name} = [\n{body}]",
                  c.text(place + "meson.build"), flags=re.M | re.S)


def fix():
    work = [("src/meson.build", source_list_text),
            ("src/belay.c", one_file_text)]
    work += [(where, lambda row=(where, names, files): library_list_text(*row))
             for where, names, files in library_lists()]
    work += [(path, lambda library=library: map_text(library))
             for path, library in maps()]
    work += [(row[0] + "meson.build", lambda row=row: program_list_text(*row))
             for row in PROGRAM_LISTS]
    for path, make in work:
        data = make()
        if os.path.exists(os.path.join(c.ROOT, path)) and \
                data == c.text(path):
            continue
        with open(os.path.join(c.ROOT, path), "w", encoding="utf-8") as f:
            f.write(data)
        c.text.cache_clear()


def main():
    if sys.argv[1:] == ["--fix"]:
        fix()
        return
    tap = Tap()
    for name, check in CHECKS:
        if not sys.argv[1:] or name in sys.argv[1:]:
            tap.check(name, check())
    tap.done()


if __name__ == "__main__":
    main()
