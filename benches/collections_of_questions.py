"""Collections of questions whose right documents are known, made of packages of Debian's.

perlfaq: the questions that Perl's own documentation answers, without the question above the answer. Manual pages: what a page of
sections 2 and 3 says in a line that it is about, without the page's own NAME and without its SYNOPSIS.
"""

import gzip
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from parse_documents.manifest import Package
from parse_documents.registries import fetch

PERL = Package("debian", "perl-doc", "5.36.0-7+deb12u4", "f4269cff4576d6f02a6756df842988e58451c7e945b08517dd235531b24e48f8")
MANUAL = Package("debian", "manpages-dev", "6.03-2", "96f55cb5e26231d5567c89b692bced63825a14a2d5bd18fdf16ea2ed44eb9838")


@dataclass
class Collection:
    """Documents, and questions with the number of the document that answers each."""

    title: str
    documents: list[str]
    questions: list[tuple[str, int]]


def perlfaq() -> Collection:
    documents, questions = [], []
    with unpacked(PERL) as folder:
        for file in sorted(Path(folder).glob("usr/share/perl/*/pod/perlfaq[1-9].pod")):
            sections = re.split(r"^=head2 ", file.read_text(errors="replace"), flags=re.MULTILINE)[1:]
            for question, _, answer in (section.partition("\n") for section in sections):
                body = without_marks(re.split(r"^=head1 ", answer, flags=re.MULTILINE)[0])
                if len(body) > 200:
                    questions.append((without_marks(question), len(documents)))
                    documents.append(body)
    return Collection("perlfaq", documents, questions)


def without_marks(pod: str) -> str:
    """Returns the text of POD: without commands, and of its markup only what is marked."""
    text = re.sub(r"^=(?:over|back|cut|begin|end|for|encoding)\b.*$|^=item ?\*?|^=\w+ ", "", pod, flags=re.MULTILINE)
    while text != (inner := re.sub(r"[A-Z]<+\s?([^<>]*?)\s?>+", lambda mark: mark[1].partition("|")[0], text)):
        text = inner
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def manual_pages() -> Collection:
    documents, questions, seen = [], [], set()
    with unpacked(MANUAL) as folder:
        for file in sorted(Path(folder).glob("usr/share/man/man[23]/*.gz")):
            sections = dict(re.findall(r'^\.SH "?(\w[^"\n]*)"?\n(.*?)(?=^\.SH |\Z)', page(file), flags=re.MULTILINE | re.DOTALL))
            about = without_macros(sections.get("NAME", "")).partition(" - ")[2]
            body = "\n\n".join(without_macros(text) for name, text in sections.items() if name not in ("NAME", "LIBRARY", "SYNOPSIS"))
            # Where two pages are about the same, neither is the right one.
            if about and about not in seen and len(body) > 400:
                seen.add(about)
                questions.append((about, len(documents)))
                documents.append(body)
    return Collection("manual pages", documents, questions)


def page(file: Path) -> str:
    return gzip.decompress(file.read_bytes()).decode(errors="replace")


def without_macros(groff: str) -> str:
    """Returns the text of a section: without comments and requests, and of macros for type only what is set."""
    text = re.sub(r'^[.\']\\".*$|^\.(?:SS|SH|BR|RB|IR|RI|BI|IB|SM|TP|IP|UR|MT|B|I)\b ?', "", groff, flags=re.MULTILINE)
    text = re.sub(r"^\..*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"\\f\[?[A-Z]{1,2}\]?|\\f[A-Z]|\\&|\\/|\\,|\\c", "", text).replace("\\-", "-").replace("\\e", "\\")
    return re.sub(r"\s+", " ", re.sub(r"\\\(\w\w|\\\[\w+\]", " ", text)).strip()


class unpacked:
    """A folder with the files of a package, for as long as the block runs."""

    def __init__(self, package: Package):
        self._archive = fetch(package)
        self._folder = tempfile.TemporaryDirectory()

    def __enter__(self) -> str:
        subprocess.run(["dpkg-deb", "--extract", self._archive, self._folder.name], check=True)
        return self._folder.name

    def __exit__(self, *_):
        self._folder.cleanup()
