"""Rust as far as our tools read it: source apart from comments, texts and tests; its modules, `use` trees and paths."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

# What hides code: comments, which nest, texts, raw texts, characters (but not lifetimes).
_HIDDEN = re.compile(
    r"""//[^\n]*"""
    r"""|/\*"""
    r"""|\b[bc]?r(?P<hashes>\#*)"(?:.|\n)*?"(?P=hashes)(?!\#)"""
    r"""|\b[bc]?"(?:\\(?:.|\n)|[^"\\])*"|"(?:\\(?:.|\n)|[^"\\])*\""""
    r"""|'(?:\\(?:u\{[^}]*\}|x..|.)|[^'\\\n])'"""
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_TEST_ATTRIBUTE = re.compile(r"#\s*\[\s*(?:cfg\s*\(\s*test\s*\)|test)\s*\]")
_MODULE = re.compile(r"(?<!\w)mod\s+(\w+)\s*;")
_USE = re.compile(r"(?:(?P<public>\bpub(?:\s*\([^)]*\))?)\s+)?(?<!\w)use\s+(?P<tree>[^;]+);")
_VISIBILITY = re.compile(r"\bpub\s*\(\s*(?:in\s+)?[\w:]+\s*\)")
_PATH = re.compile(r"(?<![\w:.'])\$?(?P<path>[A-Za-z_]\w*(?:\s*::\s*[A-Za-z_]\w*)+)")


def bare(source: str) -> str:
    """The source without comments, texts and what is compiled for tests only; lines stay where they are."""
    code = source
    for start, end in hidden(source):
        # A text stays an expression, so that nothing beside it grows together.
        code = code[:start] + blank(code[start:end]) + code[end:]
    return without_tests(code)


def blank(text: str) -> str:
    return "".join(character if character == "\n" else " " for character in text)


def hidden(source: str) -> Iterator[tuple[int, int]]:
    """Returns where comments, texts and characters are: what looks like code in them is none."""
    at = 0
    while match := _HIDDEN.search(source, at):
        at = _comment_end(source, match.end()) if match.group() == "/*" else match.end()
        yield match.start(), at


def _comment_end(source: str, at: int) -> int:
    depth = 1
    while depth and (edge := _COMMENT_EDGE.search(source, at)):
        depth += 1 if edge.group() == "/*" else -1
        at = edge.end()
    return len(source) if depth else at


def without_tests(code: str) -> str:
    """Code in which nothing is hidden any more, without what is compiled for tests only."""
    for start, end in tests(code):
        code = code[:start] + blank(code[start:end]) + code[end:]
    return code


def tests(code: str) -> Iterator[tuple[int, int]]:
    """Returns where code, in which nothing is hidden any more, is compiled for tests only."""
    at = 0
    while match := _TEST_ATTRIBUTE.search(code, at):
        at = _item_end(code, match.end())
        yield match.start(), at


def _item_end(source: str, at: int) -> int:
    """The end of the item that begins here: after its semicolon or its last brace."""
    depth = 0
    for place in range(at, len(source)):
        character = source[place]
        depth += (character in "([{") - (character in ")]}")
        if depth == 0 and character in ";}":
            return place + 1
    return len(source)


@dataclass
class Import:
    """One name that a `use` brings in: `use a::b as c` is the path a, b by the name of c."""

    path: tuple[str, ...]
    name: str
    public: bool
    line: int


def _leaves(tree: str) -> list[tuple[tuple[str, ...], str]]:
    """The paths of a `use` tree with the names that they get."""
    tree = tree.strip().removeprefix("::")
    brace = tree.find("{")
    if brace < 0:
        path, _, alias = re.sub(r"\s+", " ", tree).partition(" as ")
        words = tuple(word.strip() for word in path.split("::"))
        if words[-1] == "self" and len(words) > 1:
            words = words[:-1]
        return [(words, alias or words[-1])]
    prefix = tuple(word.strip() for word in tree[:brace].split("::") if word.strip())
    leaves = []
    for part in _parts(tree[brace + 1 : tree.rindex("}")]):
        for path, name in _leaves(part):
            leaves.append((prefix, prefix[-1]) if path == ("self",) and prefix else (prefix + path, name))
    return leaves


def _parts(inside: str) -> list[str]:
    parts, depth = [""], 0
    for character in inside:
        depth += (character == "{") - (character == "}")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part for part in parts if part.strip()]


@dataclass
class Module:
    """A module that is a file."""

    name: str
    file: Path
    parent: "Module | None" = None
    children: dict[str, "Module"] = field(default_factory=dict)
    imports: list[Import] = field(default_factory=list)
    # Paths in the code, with their lines.
    paths: list[tuple[tuple[str, ...], int]] = field(default_factory=list)

    def root(self) -> "Module":
        return self if self.parent is None else self.parent.root()

    def all(self) -> list["Module"]:
        return [self, *(module for child in self.children.values() for module in child.all())]

    def room(self) -> str:
        """The folder or file directly below the root that it belongs to."""
        module = self
        while module.parent is not None and module.parent.parent is not None:
            module = module.parent
        return module.name


def crate(file: Path, name: str = "crate", parent: Module | None = None) -> Module:
    """The modules of a crate, or of a part of it, from the file where it begins."""
    module = Module(name, file, parent)
    source = bare(file.read_text())
    folder = file.parent if parent is None or file.name == "mod.rs" else file.with_suffix("")
    for child in _MODULE.findall(source):
        found = [path for path in (folder / f"{child}.rs", folder / child / "mod.rs") if path.exists()]
        if found:
            module.children[child] = crate(found[0], child, module)
    for match in _USE.finditer(source):
        line = source.count("\n", 0, match.start()) + 1
        public = match["public"] is not None
        module.imports += [Import(path, alias, public, line) for path, alias in _leaves(match["tree"])]
    rest = _VISIBILITY.sub(lambda match: blank(match.group()), _USE.sub(lambda match: blank(match.group()), source))
    for match in _PATH.finditer(rest):
        words = tuple(word.strip() for word in match["path"].split("::"))
        module.paths.append((words, rest.count("\n", 0, match.start()) + 1))
    return module


def resolve(module: Module, path: tuple[str, ...], seen: frozenset = frozenset()) -> tuple[Module, bool] | None:
    """The module in which a path ends, and whether it names that module itself; nothing for what is another crate's.

    Where a module passes on what another has, the other is meant.
    """
    at, first = module, True
    for place, word in enumerate(path):
        last = place == len(path) - 1
        if first and word == "crate":
            at = module.root()
        elif word == "self":
            pass
        elif word == "super":
            if at.parent is None:
                return None
            at = at.parent
        elif word in at.children:
            at = at.children[word]
        elif passed := next((entry for entry in at.imports if entry.name == word and entry.path[-1] != "*"), None):
            key = (at.file, word)
            if key in seen or passed.path == (word,):
                return None
            target = resolve(at, passed.path, seen | {key})
            if target is None:
                return None
            at, is_module = target
            if not is_module:
                return at, False
            if last:
                return at, True
        elif first:
            return None
        else:
            return at, False
        first = False
    return at, True
