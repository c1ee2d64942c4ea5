"""The things that can be counted in a Rust file: its functions, items, comments and habits, each with its place.

Tests are left out, as `rust_source` finds them. What rustfmt has formatted is expected: an item begins its line.
"""

import re
from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import groupby

from .rust_source import blank, hidden, tests

# Stands where a doc comment of the item below it was.
_DOC = "\x01"

_FUNCTION = re.compile(r"\bfn\s+(\w+)")
_ITEM = re.compile(
    r"^[ ]*pub(?:\s*\([^)]*\))?\s+(?:(?:unsafe|async|const|extern|\"+)\s+)*"
    r"(?P<kind>fn|struct|enum|union|trait|type|const|static(?:\s+mut)?|mod)\s+(?P<name>\w+)(?P<end>\s*;)?",
    re.MULTILINE,
)
_FIELD = re.compile(r"(?<=[{,\]\n\x01])[ \n]*(?P<item>pub(?:\s*\([^)]*\))?\s+\w+\s*:)(?!:)")
_ENUM = re.compile(r"\benum\s+\w+[^{;]*\{")
_VARIANT = re.compile(r"\s*(?P<name>[A-Z]\w*)")
_UNSAFE_BLOCK = re.compile(r"\bunsafe\s*\{")
_CONSTANT = re.compile(r"\s*(?:pub(?:\s*\([^)]*\))?\s+)?const\s+\w+\s*:")
_UNWRAP = re.compile(r"\.\s*(?:unwrap|expect)\s*\(")
_PANIC = re.compile(r"\b(?:panic|unreachable|todo|unimplemented)!")
_TUPLE_LET = re.compile(r"(?<!if )(?<!while )(?<!& )\blet\s*\((?:[^()]|\([^()]*\))*\)\s*(?::[^=;]*)?=\s*\(")
# After what is no operand, a bar cannot be an operator; a pattern's bars stand after one.
_CLOSURE = re.compile(r"(?:(?<=[(,={;\[>&!?:])|(?<=\bmove)|(?<=\breturn)|(?<=\belse)|(?<=\basync))\s*\|")
_TODO = re.compile(r"\b(?:TODO|FIXME|XXX)\b")
# Words that make of a doc comment a clause without its sentence.
_RIDDLE = re.compile(r"\W*(?:What|Who|Whom|Whose|Which|Where|When|Why|Whether|How|That|As|Of|By)\b")
_FENCE = re.compile(r"\s*(?:`{3,}|~{3,})\s*([^`\n]*)$")
_RUN = {"", "rust", "should_panic", "edition2018", "edition2021", "edition2024"}


@dataclass
class Place:
    """Something that a person may want to look at."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


@dataclass
class Function:
    """A function with a body; its lines are those from `fn` to the last brace."""

    place: Place
    lines: int
    body: int
    blank: int
    commented: bool


@dataclass
class Measures:
    """A file's."""

    file: str
    lines: int
    code: int
    comments: int
    functions: list[Function] = field(default_factory=list)
    # Everything of a kind, by the name of the kind.
    found: dict[str, list[Place]] = field(default_factory=lambda: defaultdict(list))


@dataclass
class _Comment:
    start: int
    end: int
    text: str

    def is_doc(self) -> bool:
        return self.text.startswith(("///", "//!")) and not self.text.startswith("////")


def measure(file: str, source: str) -> Measures:
    """Counts what is in a file."""
    return _File(file, source).measures()


class _File:
    def __init__(self, name: str, source: str):
        self.name, self.source = name, source
        self._starts = [0] + [match.end() for match in re.finditer("\n", source)]
        self.comments: list[_Comment] = []
        code = source
        for start, end in hidden(source):
            text = source[start:end]
            if text.startswith(("//", "/*")):
                self.comments.append(_Comment(start, end, text))
                # Docs inside, of the file, belong to no item below them.
                is_outer = self.comments[-1].is_doc() and not text.startswith("//!")
                put = _DOC * len(text) if is_outer else blank(text)
            else:
                # A text stays an operand.
                put = re.sub(r"[^\n]", '"', text)
            code = code[:start] + put + code[end:]
        # Lines of tests, of which nothing counts.
        self.tested: set[int] = set()
        for start, end in tests(code.replace(_DOC, " ")):
            self.tested.update(range(self._line(start), self._line(end - 1) + 1))
            code = code[:start] + blank(code[start:end]) + code[end:]
        self.comments = [comment for comment in self.comments if self._line(comment.start) not in self.tested]
        # With the marks of doc comments, and without.
        self.marked, self.code = code, code.replace(_DOC, " ")
        self.code_lines = self.code.split("\n")

    def _line(self, at: int) -> int:
        return bisect_right(self._starts, at)

    def _place(self, at: int, text: str) -> Place:
        return Place(self.name, self._line(at), text)

    def measures(self) -> Measures:
        code = {number for number, line in enumerate(self.code_lines, 1) if line.strip()}
        commented = {
            line
            for comment in self.comments
            for line in range(self._line(comment.start), self._line(comment.end - 1) + 1)
        }
        lines = self.source.count("\n") - len(self.tested)
        self.result = Measures(self.name, lines, len(code), len(commented - code))
        self._functions()
        self._items()
        self._fields()
        self._variants()
        self._safety()
        self._docs()
        for kind, pattern in (
            ("unwraps", _UNWRAP),
            ("panics", _PANIC),
            ("closures", _CLOSURE),
        ):
            for match in pattern.finditer(self.code):
                if kind != "unwraps" or not self._is_constant(match.start()):
                    self._add(kind, match.end() - 1)
        for match in _TUPLE_LET.finditer(self.code):
            # A parenthesis alone may as well be a call's.
            if _has_comma(self.code, match.end() - 1):
                self._add("tuple_lets", match.start())
        for comment in self.comments:
            if _TODO.search(comment.text):
                self._add("todos", comment.start)
        return self.result

    def _add(self, kind: str, at: int, text: str | None = None) -> None:
        line = self.source[self._starts[self._line(at) - 1] :].partition("\n")[0].strip()
        self.result.found[kind].append(self._place(at, text or line))

    def _functions(self) -> None:
        comment_lines = sorted(self._line(comment.start) for comment in self.comments)
        source_lines = self.source.split("\n")
        for match in _FUNCTION.finditer(self.code):
            opening = _body(self.code, match.end())
            if opening is None:
                continue
            end = _closing(self.code, opening)
            first, last = self._line(opening) + 1, self._line(end) - 1
            has_comment = any(first <= line <= last for line in comment_lines)
            empty = sum(not source_lines[line - 1].strip() for line in range(first, last + 1))
            place = self._place(match.start(), match[1])
            lines = self._line(end) - place.line + 1
            function = Function(place, lines, max(last - first + 1, 0), empty, has_comment)
            self.result.functions.append(function)

    def _items(self) -> None:
        for match in _ITEM.finditer(self.code):
            # The file of a module has its documentation in itself.
            if match["kind"] == "mod" and match["end"]:
                continue
            self._add("items", match.start("name"))
            if not self._is_documented(match.start()):
                self._add("items_bare", match.start("name"))

    def _fields(self) -> None:
        for match in _FIELD.finditer(self.marked):
            self._member(match.start("item"))

    def _variants(self) -> None:
        for match in _ENUM.finditer(self.code):
            end = _closing(self.code, match.end() - 1)
            for at in _members(self.marked, match.end(), end):
                if variant := _VARIANT.match(self.code, at):
                    self._member(variant.start("name"))

    def _member(self, at: int) -> None:
        self._add("members", at)
        if not self._is_documented(at):
            self._add("members_bare", at)

    def _is_documented(self, at: int) -> bool:
        """Looks above an item, past its attributes."""
        above = self.marked[:at].rstrip()
        while above.endswith("]"):
            depth, place = 1, len(above) - 1
            while depth and place:
                place -= 1
                depth += (above[place] == "]") - (above[place] == "[")
            if not above[:place].endswith("#"):
                return False
            above = above[: place - 1].rstrip()
        return above.endswith(_DOC)

    def _is_constant(self, at: int) -> bool:
        """Tells whether a constant's value is computed here: what panics in one does not compile."""
        begin = max(self.code.rfind(end, 0, at) for end in ";{}") + 1
        return _CONSTANT.match(self.code, begin, at) is not None

    def _safety(self) -> None:
        said = set()
        for comment in self.comments:
            # A note of several lines ends where its statement begins.
            if "SAFETY" in comment.text:
                line = self._line(comment.end - 1)
                said.add(line)
                while self.source[self._starts[line - 1] :].lstrip(" ").startswith("//"):
                    line += 1
                said.add(line)
        for match in _UNSAFE_BLOCK.finditer(self.code):
            self._add("unsafe", match.start())
            line = self._line(match.start())
            # Up to the beginning of its statement.
            while line not in said and line > 1 and not re.search(r"[;{}]\s*$|^\s*$", self.code_lines[line - 2]):
                line -= 1
            if line not in said:
                self._add("unsafe_bare", match.start())

    def _docs(self) -> None:
        docs = [comment for comment in self.comments if comment.is_doc()]
        # Lines that follow each other are one comment.
        numbered = enumerate(docs)
        for _, block in groupby(numbered, key=lambda pair: (self._line(pair[1].start) - pair[0], pair[1].text[:3])):
            self._doc([comment for _, comment in block])

    def _doc(self, lines: list[_Comment]) -> None:
        opening = lines[0].text[3:].strip()
        if lines[0].text.startswith("//!"):
            self._add("file_docs", lines[0].start)
        self._add("docs", lines[0].start, opening)
        if _RIDDLE.match(opening):
            self._add("riddles", lines[0].start, opening)
        inside = False
        for comment in lines:
            if fence := _FENCE.match(comment.text[3:]):
                if not inside and set(fence[1].replace(",", " ").split() or [""]) <= _RUN:
                    self._add("examples", comment.start)
                inside = not inside


def _body(code: str, at: int) -> int | None:
    """The brace that opens a function's body; none for one that is only declared."""
    depth = 0
    for place in range(at, len(code)):
        character = code[place]
        depth += (character in "([") - (character in ")]")
        if depth == 0 and character in "{;":
            return place if character == "{" else None
    return None


def _closing(code: str, opening: int) -> int:
    depth = 0
    for match in re.compile(r"[{}]").finditer(code, opening):
        depth += 1 if match.group() == "{" else -1
        if depth == 0:
            return match.start()
    return len(code) - 1


def _has_comma(code: str, opening: int) -> bool:
    """Tells whether what is between the parentheses that open here has more than one part."""
    depth = 0
    for place in range(opening, len(code)):
        character = code[place]
        if depth == 1 and character == ",":
            return True
        depth += (character in "([{") - (character in ")]}")
        if depth == 0:
            break
    return False


def _members(marked: str, start: int, end: int) -> list[int]:
    """Returns where the variants of an enum begin, behind their documentation and attributes."""
    found, depth, is_awaited = [], 0, True
    for place in range(start, end):
        character = marked[place]
        if is_awaited and depth == 0 and character.isalpha():
            found.append(place)
            is_awaited = False
        depth += (character in "([{") - (character in ")]}")
        if depth == 0 and character == ",":
            is_awaited = True
    return found
