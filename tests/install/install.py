#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Installs belay under a new prefix and builds a stranger's project on it.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
HERE = os.path.join(ROOT, "tests/install")
sys.path.insert(0, os.path.join(ROOT, "tools"))
from tap import Tap  # noqa: E402

PROJECT = "cmake_minimum_required(VERSION 3.16)\nproject(stranger C)\n"
FIND = PROJECT + """\
find_package(belay 0.1 REQUIRED)
add_executable(shared app.c)
target_link_libraries(shared belay::belay)
add_executable(static app.c)
target_link_libraries(static belay::belay-static)
add_executable(wrong EXCLUDE_FROM_ALL wrong.c)
target_link_libraries(wrong belay::belay)
"""
FIND_TLS = PROJECT + """\
find_package(belay 0.1 REQUIRED COMPONENTS tls)
add_executable(app tls.c)
target_link_libraries(app belay::tls)
"""
FIND_NONE = PROJECT + "find_package(belay REQUIRED COMPONENTS no-such)\n"
SUBDIRECTORY = PROJECT + f"""\
add_subdirectory({ROOT} belay)
add_executable(app app.c)
target_link_libraries(app belay::belay)
"""
MESON = """\
project('stranger', 'c')
executable('app', 'app.c',
    dependencies: dependency('belay', fallback: ['belay', 'belay_dep']))
"""
QUIET = ["-DCMAKE_C_FLAGS=-O1", "-Wno-dev", "-G", "Ninja"]


class Failed(Exception):
    pass


def run(cmd, cwd=None, env=None):
    done = subprocess.run(cmd, cwd=cwd, env={**os.environ, **(env or {})},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=200)
    if done.returncode:
        raise Failed(" ".join(cmd) + "\n" + done.stdout[-3000:])
    return done.stdout


def works(exe, env=None):
    """It prints what it should; the watchdog may complain elsewhere."""
    done = subprocess.run([exe], env={**os.environ, **(env or {})},
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=200)
    out = done.stdout
    if done.returncode:
        raise Failed(f"{exe}: {done.returncode}\n{done.stderr}")
    if out != "belay: 42\n":
        raise Failed(f"{exe} printed {out!r}")


def fails_on_argument(cmd, cwd=None):
    try:
        run(cmd, cwd)
    except Failed as e:
        if not re.search(r"error:.*pointer from integer|error:.*integer to "
                         r"pointer", str(e)):
            raise
        return
    raise Failed("a wrong argument compiled: " + " ".join(cmd))


class Stranger:
    def __init__(self, tmp):
        self.tmp = tmp
        self.prefix = os.path.join(tmp, "usr")

    def place(self, name, files):
        """A new project directory with our sources and these files."""
        where = os.path.join(self.tmp, name)
        os.mkdir(where)
        for source in ("app.c", "wrong.c", "tls.c"):
            shutil.copy(os.path.join(HERE, source), where)
        for path, text in files.items():
            with open(os.path.join(where, path), "w", encoding="utf-8") as f:
                f.write(text)
        return where

    def lib(self):
        for base, _, names in os.walk(self.prefix):
            if "libbelay.so" in names:
                return base
        raise Failed("libbelay.so was not installed")

    def pkg_config(self, *args):
        return run(["pkg-config", *args], env={
            "PKG_CONFIG_PATH": os.path.join(self.lib(), "pkgconfig")}).split()

    # --- the ways ---

    def install(self):
        # Configured afresh, so that the prefix is in the files that say it.
        build = os.path.join(self.tmp, "build")
        run(["meson", "setup", build, ROOT, f"--prefix={self.prefix}",
             "-Dtests=false", "-Doptimization=1"])
        run(["meson", "install", "-C", build])
        for path in ("include/belay-0/belay.h",
                     "include/belay-0/belay/task.h"):
            if not os.path.exists(os.path.join(self.prefix, path)):
                raise Failed(path + " was not installed")

    def pkg_config_shared(self):
        exe = os.path.join(self.tmp, "pc-shared")
        run(["cc", os.path.join(HERE, "app.c"), "-o", exe,
             *self.pkg_config("--cflags", "--libs", "belay")])
        works(exe, {"LD_LIBRARY_PATH": self.lib()})

    def pkg_config_static(self):
        exe = os.path.join(self.tmp, "pc-static")
        flags = self.pkg_config("--cflags", "--libs", "--static", "belay")
        run(["cc", "-static", os.path.join(HERE, "app.c"), "-o", exe, *flags])
        works(exe)

    def pkg_config_test(self):
        exe = os.path.join(self.tmp, "pc-test")
        run(["cc", os.path.join(ROOT, "tests/install/explored.c"), "-o", exe,
             *self.pkg_config("--cflags", "--libs", "--static",
                              "belay-test")])
        run([exe])

    def pkg_config_tls(self):
        exe = os.path.join(self.tmp, "pc-tls")
        run(["cc", os.path.join(HERE, "tls.c"), "-o", exe,
             *self.pkg_config("--cflags", "--libs", "belay-tls")])
        works(exe, {"LD_LIBRARY_PATH": self.lib()})

    def pkg_config_wrong(self):
        fails_on_argument(["cc", "-fsyntax-only",
                           os.path.join(HERE, "wrong.c"),
                           *self.pkg_config("--cflags", "belay")])

    def cmake_find_package(self):
        where = self.place("find", {"CMakeLists.txt": FIND})
        run(["cmake", "-S", where, "-B", where + "/b", *QUIET,
             f"-DCMAKE_PREFIX_PATH={self.prefix}"])
        run(["cmake", "--build", where + "/b"])
        works(where + "/b/shared")
        works(where + "/b/static")
        fails_on_argument(["cmake", "--build", where + "/b",
                           "--target", "wrong"])

    def cmake_find_tls(self):
        where = self.place("find-tls", {"CMakeLists.txt": FIND_TLS})
        run(["cmake", "-S", where, "-B", where + "/b", *QUIET,
             f"-DCMAKE_PREFIX_PATH={self.prefix}"])
        run(["cmake", "--build", where + "/b"])
        works(where + "/b/app")

    def cmake_find_none(self):
        where = self.place("find-none", {"CMakeLists.txt": FIND_NONE})
        try:
            run(["cmake", "-S", where, "-B", where + "/b", *QUIET,
                 f"-DCMAKE_PREFIX_PATH={self.prefix}"])
        except Failed as e:
            if "belay was built without libbelay-no-such" not in str(e):
                raise
            return
        raise Failed("a component that is not there was found")

    def cmake_add_subdirectory(self):
        where = self.place("sub", {"CMakeLists.txt": SUBDIRECTORY})
        run(["cmake", "-S", where, "-B", where + "/b", *QUIET])
        run(["cmake", "--build", where + "/b"])
        works(where + "/b/app")

    def meson_subproject(self):
        where = self.place("meson", {"meson.build": MESON})
        os.mkdir(where + "/subprojects")
        os.symlink(ROOT, where + "/subprojects/belay")
        run(["meson", "setup", where + "/b", where,
             "--wrap-mode=forcefallback", "-Doptimization=1",
             "-Dbelay:default_library=static"])
        run(["ninja", "-C", where + "/b"])
        works(where + "/b/app")

    def one_file(self):
        exe = os.path.join(self.tmp, "one")
        run(["cc", "-std=gnu11", f"-I{ROOT}/include", f"-I{ROOT}/src",
             os.path.join(HERE, "app.c"), ROOT + "/src/belay.c", "-pthread",
             "-o", exe])
        works(exe)


WAYS = [
    "install", "pkg_config_shared", "pkg_config_static", "pkg_config_test",
    "pkg_config_tls", "pkg_config_wrong", "cmake_find_package",
    "cmake_find_tls", "cmake_find_none", "cmake_add_subdirectory",
    "meson_subproject", "one_file",
]


def has(package):
    return subprocess.run(["pkg-config", "--exists", package]).returncode == 0


def main():
    tap = Tap()
    with tempfile.TemporaryDirectory() as tmp:
        stranger = Stranger(tmp)
        for way in WAYS:
            if way.startswith("cmake") and not shutil.which("cmake"):
                tap.skip(way, "cmake is not installed")
                continue
            if way.endswith("tls") and not has("openssl"):
                tap.skip(way, "OpenSSL is not installed")
                continue
            try:
                getattr(stranger, way)()
                problems = []
            except (Failed, subprocess.TimeoutExpired) as e:
                problems = [e]
            tap.check(way.replace("_", " "), problems)
    tap.done()


if __name__ == "__main__":
    main()
