#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The checks of tools/tidy.py find what they are for: each is given a small
tree that breaks its rule in one place, and a tree that does not."""
import os
import sys
import tempfile

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools"))
import csource  # noqa: E402
import tidy  # noqa: E402
from tap import Tap  # noqa: E402

SPDX = "/* SPDX-License-Identifier: MIT */\n/* What it is. */\n"


def header(path, body=""):
    name = "BLY_" + path.replace("/", "_").replace(".", "_").upper()
    return f"{SPDX}#ifndef {name}\n#define {name}\n{body}\n#endif\n"


def source(body):
    return SPDX + body


ATOMIC = header("base/atomic.h", """
#define bly_load(p) __atomic_load_n((p), __ATOMIC_SEQ_CST)
#define bly_load_relaxed(p) __atomic_load_n((p), __ATOMIC_RELAXED)""")

GOOD = {
    "meson.build": "# SPDX-License-Identifier: MIT\nversion: '0.1.0'\n",
    "CMakeLists.txt": "VERSION 0.1.0 LANGUAGES C\n",
    "src/meson.build": "# SPDX-License-Identifier: MIT\nbelay_sources = [\n"
                       "    'base/a.c',\n    'core/b.c',\n]\n"
                       "sim_sources = [\n]\n",
    "src/belay.c": source('#include "base/a.c"\n#include "core/b.c"\n'),
    "src/belay.map": "BELAY_0.1 {\nglobal:\n    belay_b;\nlocal:\n    *;\n};\n",
    "src/base/atomic.h": ATOMIC,
    "src/base/a.h": header("base/a.h", "int bly_a(void);"),
    "src/base/a.c": source('#include "base/a.h"\n\nint\nbly_a(void)\n{\n'
                           "    return 1;\n}\n"),
    "src/core/b.h": header("core/b.h", '#include "base/a.h"'),
    "src/core/b.c": source('#include "core/b.h"\n\n#include "base/a.h"\n\n'
                           "#include <stddef.h>\n\nstatic int\nb_half(int x)\n"
                           "{\n    return x / 2;\n}\n\nint\nbelay_b(void)\n{\n"
                           "    /* pairs with b_half */\n"
                           "    return bly_load(&x) + b_half(bly_a());\n}\n"),
    "include/belay/base.h":
        f"{SPDX}#ifndef BELAY_BASE_H\n#define BELAY_BASE_H\n"
        "#define BELAY_API\n#define BELAY_VERSION_MAJOR 0\n"
        '#define BELAY_VERSION_MINOR 1\n#define BELAY_VERSION "0.1.0"\n'
        "BELAY_API int belay_b(void);\n#endif\n",
    "include/belay.h": f"{SPDX}#ifndef BELAY_H\n#define BELAY_H\n"
                       "#include <belay/base.h>\n#endif\n",
    "docs/man/belay_b.md": "## NAME\nbelay_b - b\n\n## SYNOPSIS\n",
}
for _place, _name, _ in tidy.PROGRAM_LISTS:
    GOOD.setdefault(_place + "meson.build",
                    "# SPDX-License-Identifier: MIT\n")
GOOD["docs/man/meson.build"] = ("# SPDX-License-Identifier: MIT\n"
                                "man_pages = [\n    'belay_b',\n]\n")


def core(body):
    return {"src/core/b.c": source('#include "core/b.h"\n\n' + body)}


LONG = "static int\nb_long(void)\n{\n" + "    ;\n" * 80 + "}\n"
# (check, what is laid over the good tree, a word of the complaint)
BAD = [
    ("floors", {"src/base/a.c": source('#include "base/a.h"\n'
                                       '#include "core/b.h"\n')}, "lower"),
    ("floors", {"src/sync/c.c": source('#include "io/d.h"\n'),
                "src/io/d.h": header("io/d.h")}, "lower"),
    ("floors", {"src/exec/c.c": source('#include "core/b.h"\n')}, "room"),
    ("floors", {"src/attic/c.c": source("")}, "no floor"),
    ("cycles", {"src/base/a.h": header("base/a.h", '#include "base/e.h"'),
                "src/base/e.h": header("base/e.h", '#include "base/a.h"')},
     "->"),
    ("include-order", core('#include <stddef.h>\n#include "base/a.h"\n'),
     "after"),
    ("include-order", {"src/core/b.c": source('#include "base/a.h"\n')},
     "not first"),
    ("headers-alone", {"src/base/a.h": header("base/a.h", "size_t bly_a(int);")
                       }, "size_t"),
    ("guards", {"src/base/a.h": SPDX + "int bly_a(void);\n"}, "BLY_BASE_A_H"),
    ("umbrella", {"include/belay/c.h": SPDX}, "belay/c.h"),
    ("budgets", core(LONG), "b_long"),
    ("budgets", core("\n" * 601), "at most 600"),
    ("layout", core("\tint x;\n"), "tab"),
    ("layout", core("int x; \n"), "space at the end"),
    ("layout", core("/* " + "x" * 80 + " */\n"), "columns"),
    ("licence", {"src/core/b.c": "int x;\n"}, "SPDX"),
    ("licence", {"src/core/b.c": SPDX.split("\n")[0] + "\nint x;\n"},
     "what it is"),
    ("definitions", core("static int b_one(int x)\n{\n    return x;\n}\n"),
     "own line"),
    ("definitions", core("static int\nb_one(int x) {\n    return x;\n}\n"),
     "brace"),
    ("definitions", core("int\nb_one(int x)\n{\n    return x;\n}\n"),
     "neither"),
    ("definitions", core("static int\nbly_one(int x)\n{\n    return x;\n}\n"),
     "prefix"),
    ("definitions", core("static int\nb_one(int x)\n{\n#if X\n    x++;\n"
                         "#endif\n    return x;\n}\n"), "#if"),
    ("banned-calls", core("static void\nb_x(void)\n{\n    free(p);\n}\n"),
     "base/alloc.h"),
    ("banned-calls", core("static void\nb_x(void)\n{\n    usleep(1);\n}\n"),
     "wait for"),
    ("banned-calls", core("static void\nb_x(void)\n{\n    strcpy(a, b);\n}\n"),
     "unbounded"),
    ("pairings", core("static int\nb_x(void)\n{\n    return bly_load(&x);\n}\n"
                      ), "pairs with?"),
    ("pairings", core("static int\nb_x(void)\n{\n    /* pairs with nobody */\n"
                      "    return bly_load(&x);\n}\n"), "names no function"),
    ("leftovers", core("/* " + "TO" + "DO: more */\n"), "TO" + "DO"),
    ("leftovers", core("/* enough " + "for" + " now */\n"), "for"),
    ("source-lists", {"src/core/c.c": source("")}, "core/c.c"),
    ("source-lists", {"tests/unit/core/c.c": source("")}, "core/c.c"),
    ("source-lists", {"src/http/c.c": source(""),
                      "src/http/meson.build": "http_sources = [\n]\n"},
     "src/http/c.c is not once in src/http/meson.build"),
    ("one-file", {"src/belay.c": source('#include "base/a.c"\n')}, "--fix"),
    ("versions", {"CMakeLists.txt": "VERSION 0.2.0 LANGUAGES C\n"}, "CMakeLists"),
    ("symbol-map", {"src/belay.map": "BELAY_0.1 {\nglobal:\nlocal:\n    *;\n"
                                     "};\n"}, "belay_b is declared"),
    ("symbol-map", {"include/belay/base.h": SPDX}, "in no header"),
    ("man-pages", {"docs/man/belay_b.md": "## NAME\nx - y\n\n## SYNOPSIS\n"},
     "belay_b"),
]


def in_tree(changes, check):
    with tempfile.TemporaryDirectory() as tmp:
        for path, text in {**GOOD, **changes}.items():
            full = os.path.join(tmp, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "w", encoding="utf-8") as f:
                f.write(text)
        csource.ROOT = tmp
        for cached in (csource.text, csource.code, csource.files,
                       csource.functions, csource.public_headers):
            cached.cache_clear()
        return check()


def main():
    tap = Tap()
    checks = dict(tidy.CHECKS)
    for name, check in checks.items():
        tap.check(f"{name}: nothing to say", in_tree({}, check))
    for name, changes, word in BAD:
        said = in_tree(changes, checks[name])
        tap.result(any(word in str(s) for s in said), f"{name}: {word}",
                   ["said: " + str(said)])
    tap.check("each check has a tree that breaks it",
              set(checks) - {name for name, _, _ in BAD})
    tap.done()


if __name__ == "__main__":
    main()
