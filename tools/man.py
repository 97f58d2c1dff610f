#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turns a page of docs/man into roff.

    tools/man.py names PAGE.md           the files that the page becomes
    tools/man.py roff PAGE.md DIRECTORY  writes them there
    tools/man.py lint PAGE.md...         checks form and roff; prints TAP

A page begins with a front matter of title, section, since and see-also, and
has the sections of a man page as ## headings, ### for what is inside. NAME is
"name, name - what it is"; each name but the title becomes a link to the page.
Text is paragraphs, lists with - or 1., tables, fenced blocks, **bold**,
*italic* and `code`.
"""
import os
import re
import subprocess
import sys
import tempfile

from tap import Tap

# What a page of section 3 has to have, in this order.
SECTIONS_3 = ["NAME", "SYNOPSIS", "DESCRIPTION", "RETURN VALUE", "ERRORS",
              "CANCELLATION", "THREADS", "EXAMPLE", "SEE ALSO"]
REQUIRED = {"1": ["NAME", "SYNOPSIS", "DESCRIPTION"],
            "3": ["NAME", "SYNOPSIS", "DESCRIPTION", "CANCELLATION"],
            "7": ["NAME", "DESCRIPTION"]}
KEYS = ["title", "section", "since", "see-also"]


class Page:
    def __init__(self, path):
        with open(path, encoding="utf-8") as f:
            data = f.read()
        m = re.match(r"---\n(.*?)\n---\n", data, re.S)
        if not m:
            raise ValueError(f"{path}: no front matter")
        self.path = path
        self.head = dict(re.match(r"([\w-]+):\s*(.*)", line).groups()
                         for line in m.group(1).split("\n") if line.strip())
        missing = [k for k in KEYS if k not in self.head]
        if missing:
            raise ValueError(f"{path}: no {', '.join(missing)} in the front "
                             "matter")
        self.body = re.sub(r"<!--.*?-->\n?", "", data[m.end():], flags=re.S)
        self.title = self.head["title"]
        self.section = self.head["section"]

    def sections(self):
        return re.findall(r"^## (.*?)\s*$", unfenced(self.body), re.M)

    def name_line(self):
        m = re.search(r"^## NAME\s*\n(.*?)(?=^## |\Z)", self.body,
                      re.M | re.S)
        text = " ".join(m.group(1).replace("`", "").split()) if m else ""
        names, dash, what = re.sub(r" (--|—|–) ", " - ", text).partition(" - ")
        if not dash:
            raise ValueError(f"{self.path}: NAME is not 'name, ... - what'")
        return [n.strip() for n in names.split(",") if n.strip()], what

    def files(self):
        names = [self.title] + [n for n in self.name_line()[0]
                                if n != self.title]
        return [f"{n}.{self.section}" for n in names]


def unfenced(text):
    return re.sub(r"^ *```.*?^ *```\s*$", "", text, flags=re.M | re.S)


# --- roff ------------------------------------------------------------------


def escape(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return text.replace("—", "\\(em").replace("–", "\\(en").replace(
        "…", "...").replace("≤", "<=").replace("≥", ">=").replace("→", "->")


def guard(line):
    """A line that roff would take for a request gets a zero-width mark."""
    return "\\&" + line if line[:1] in (".", "'") else line


INLINE = re.compile(
    r"`(?P<code>[^`]+)`|\*\*(?P<bold>.+?)\*\*|(?<!\w)\*(?P<it>[^*\s][^*]*?)\*"
    r"(?!\w)|\[(?P<text>[^\]]+)\]\((?P<url>[^)\s]+)\)", re.S)


def inline(text):
    out, last = [], 0
    for m in INLINE.finditer(text):
        out.append(escape(text[last:m.start()]))
        last = m.end()
        if m.group("code") is not None:
            out.append(f"\\fB{escape(m.group('code'))}\\fR")
        elif m.group("bold") is not None:
            out.append(f"\\fB{escape(m.group('bold').replace('`', ''))}\\fR")
        elif m.group("it") is not None:
            out.append(f"\\fI{escape(m.group('it').replace('`', ''))}\\fR")
        else:
            out.append(escape(m.group("text").replace("`", "")))
    out.append(escape(text[last:]))
    return "".join(out)


def paragraph(text):
    """Roff lines: a new line for each sentence, none too long."""
    text = inline(" ".join(text.split()))
    lines = []
    for sentence in re.split(r"(?<=[a-z0-9)\]R][.!?:;]) (?=[A-Z\\(])", text):
        line = ""
        for word in sentence.split(" "):
            if line and len(line) + len(word) > 76:
                lines.append(guard(line))
                line = word
            else:
                line = f"{line} {word}" if line else word
        lines.append(guard(line))
    return lines


def table(rows):
    """A table becomes a list: the first column is the tag."""
    cells = [[x.strip() for x in re.split(r"(?<!\\)\|", r.strip().strip("|"))]
             for r in rows]
    out = []
    for row in cells[2:]:
        row = [x.replace("\\|", "|") for x in row]
        out += [".TP", guard(inline(row[0]))]
        out += paragraph("; ".join(x for x in row[1:] if x) or "\u00a0")
    return out


def fence(lines):
    out = [".PP", ".in +4n", ".EX"]
    out += [guard(escape(line)) for line in lines]
    return out + [".EE", ".in"]


ITEM = re.compile(r"^(?P<mark>[-*]|\d+\.)\s+(?P<text>.*)$")


def take_block(lines, i):
    """The roff of the block that begins at line i, and the next line."""
    line = lines[i]
    if line.startswith("```"):
        end = i + 1
        while not lines[end].startswith("```"):
            end += 1
        return fence(lines[i + 1:end]), end + 1
    if line.startswith("|"):
        end = i
        while end < len(lines) and lines[end].startswith("|"):
            end += 1
        return table(lines[i:end]), end
    m = ITEM.match(line)
    end = i + 1
    if m:
        text = [m.group("text")]
        while end < len(lines) and re.match(r"\s+\S", lines[end]):
            text.append(lines[end].strip())
            end += 1
        mark = m.group("mark")
        tag = "\\(bu 2" if mark in "-*" else f"{mark} 4"
        return [f".IP {tag}"] + paragraph(" ".join(text)), end
    text = [line]
    while (end < len(lines) and lines[end].strip()
           and not re.match(r"```|\||#|[-*] |\d+\. |: ", lines[end])):
        text.append(lines[end])
        end += 1
    if end < len(lines) and lines[end].startswith(": "):
        tag, text = " ".join(text), [lines[end][2:]]
        end += 1
        while end < len(lines) and re.match(r"\s+\S", lines[end]):
            text.append(lines[end].strip())
            end += 1
        return [".TP", guard(inline(tag))] + paragraph(" ".join(text)), end
    return [".PP"] + paragraph(" ".join(text)), end


def body(page):
    out, lines, i = [], page.body.split("\n"), 0
    fresh = True  # directly after a heading, where .PP would be empty
    while i < len(lines):
        line = lines[i]
        if not line.strip():
            i += 1
            continue
        m = re.match(r"(##+) (.*)", line)
        if m:
            macro = ".SH" if m.group(1) == "##" else ".SS"
            out.append(f"{macro} {escape(m.group(2).replace('`', ''))}")
            fresh = True
            i += 1
            if m.group(2).strip() == "NAME":
                names, what = page.name_line()
                out.append(escape(", ".join(names)) + " \\- " + inline(what))
                while i < len(lines) and not lines[i].startswith("## "):
                    i += 1
            elif m.group(2).strip() == "SEE ALSO":
                while i < len(lines) and not lines[i].startswith("## "):
                    i += 1
                out += see_also(page)
            continue
        block, i = take_block(lines, i)
        out += block[1:] if fresh and block[0] == ".PP" else block
        fresh = False
    if "SEE ALSO" not in page.sections() and page.head["see-also"]:
        out += [".SH SEE ALSO"] + see_also(page)
    return out


def see_also(page):
    refs = re.findall(r"([\w.-]+)\((\w+)\)", page.head["see-also"])
    return [f".BR {escape(n)} ({s})" + ("," if k < len(refs) - 1 else "")
            for k, (n, s) in enumerate(refs)]


def roff(page):
    return "\n".join([
        '.\\" SPDX-License-Identifier: MIT',
        f'.\\" Made from {os.path.basename(page.path)} by tools/man.py.',
        f'.TH {page.title.upper()} {page.section} "" '
        f'"belay {page.head["since"]}" "belay"',
        ".nh", ".ad l", *body(page)]) + "\n"


def write(page, where):
    files = page.files()
    with open(os.path.join(where, files[0]), "w", encoding="utf-8") as f:
        f.write(roff(page))
    for link in files[1:]:
        with open(os.path.join(where, link), "w", encoding="utf-8") as f:
            f.write(f".so man{page.section}/{files[0]}\n")


# --- lint ------------------------------------------------------------------


def lint(page):
    problems = []
    have = page.sections()
    for need in REQUIRED.get(page.section, []):
        if need not in have:
            problems.append(f"no section {need}")
    if page.section == "3":
        known = [s for s in have if s in SECTIONS_3]
        if known != sorted(known, key=SECTIONS_3.index):
            problems.append("sections out of order: " + ", ".join(known))
    with tempfile.TemporaryDirectory() as tmp:
        write(page, tmp)
        path = os.path.join(tmp, page.files()[0])
        done = subprocess.run(["mandoc", "-T", "lint", path],
                              capture_output=True, text=True)
        for line in (done.stdout + done.stderr).split("\n"):
            # A page has the date of the release that it is part of, and
            # lint looks for other pages on this machine only.
            if line.strip() and not re.search(
                    r"missing date|referenced manual not found|"
                    r"operating system explicitly|STYLE: input text line "
                    r"longer", line):
                problems.append(line.replace(tmp + "/", ""))
    return problems


def main():
    word, paths = sys.argv[1], sys.argv[2:]
    if word == "names":
        print("\n".join(Page(paths[0]).files()))
    elif word == "roff":
        write(Page(paths[0]), paths[1])
    elif word == "lint":
        tap = Tap()
        owner = {}
        for path in paths:
            try:
                page = Page(path)
                problems = lint(page)
                for name in page.files():
                    if name in owner:
                        problems.append(f"{name} is also made by "
                                        f"{owner[name]}")
                    owner[name] = path
            except ValueError as e:
                problems = [e]
            tap.check(os.path.basename(path), problems)
        tap.done()


if __name__ == "__main__":
    main()
