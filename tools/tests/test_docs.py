"""Whatever the docs name in the tree is there: a path, a test, the guard of a threat."""

import re
from pathlib import Path

import pytest
from pgai_dev import places

PAGES = sorted([*places.ROOT.glob("*.md"), *places.ROOT.glob("docs/*.md")])
TOP = ("benches", "crates", "docs", "fuzz", "sql", "src", "tests", "tools")


def code(text: str) -> list[str]:
    """Returns what stands between backticks within a line."""
    return re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text)


def paths(text: str) -> list[str]:
    """Returns the paths from the root of the tree that a page names, without line numbers and anchors."""
    words = [word for span in code(text) for word in span.split()]
    return [word.rstrip("/,;") for word in words if re.match(rf"({'|'.join(TOP)})/[\w./*-]*$", word)]


def functions_of_tests() -> set[str]:
    """Returns the names of all test functions, in Python without `test_`."""
    python = [path.read_text() for path in places.ROOT.glob("tests/*/test_*.py")]
    rust = [path.read_text() for path in places.ROOT.glob("crates/**/*.rs")]
    return {
        *re.findall(r"^def test_(\w+)", "\n".join(python), re.MULTILINE),
        *re.findall(r"^\s*(?:async )?fn (\w+)", "\n".join(rust), re.MULTILINE),
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_path_that_a_page_names_is_there(page):
    assert [path for path in paths(page.read_text()) if not any(places.ROOT.glob(path))] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_file_of_code_that_a_page_names_is_there(page):
    there = [f"/{path.relative_to(places.ROOT)}" for path in places.ROOT.glob("[!.]*/**/*.rs")]
    named = set(re.findall(r"[\w/]+\.rs\b", " ".join(code(page.read_text()))))
    assert {name for name in named if not any(path.endswith(f"/{name}") for path in there)} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_file_of_tests_that_a_page_names_is_there_once(page):
    named = set(re.findall(r"\btest_\w+\.py", page.read_text()))
    assert {name for name in named if len([*places.ROOT.glob(f"tests/**/{name}")]) != 1} == set()


# From this number of files on, nobody finds their way by the names alone.
LISTED_FROM = 5


def unlisted(path: Path) -> list[str]:
    """Returns the modules that a file declares and does not name in its own documentation, if they are many."""
    text = path.read_text()
    modules = re.findall(r"^(?:pub(?:\([^)]*\))? )?mod (\w+);", text, re.MULTILINE)
    documentation = "\n".join(line for line in text.splitlines() if line.startswith("//!"))
    named = set(re.findall(r"`(?:mod@)?(\w+)(?:\(\))?`", documentation))
    return [module for module in modules if module not in named] if len(modules) >= LISTED_FROM else []


def test_a_folder_lists_its_files_by_what_they_are_for():
    files = [*places.ROOT.glob("src/**/*.rs"), *places.ROOT.glob("crates/*/src/**/*.rs")]
    assert {str(path.relative_to(places.ROOT)): missing for path in files if (missing := unlisted(path))} == {}


@pytest.mark.parametrize("folder, kind", [("sql", "sql"), ("src/api", "rs"), ("crates/pipeline/src", "")])
def test_the_map_of_the_house_names_each_file(folder, kind):
    """Those that no file of a folder's own lists, and the functions that users call."""
    named = code((places.ROOT / "docs/architecture.md").read_text())
    here = (places.ROOT / folder).iterdir()
    there = [path.stem for path in here if (path.suffix == f".{kind}" if kind else path.is_dir())]
    assert [name for name in there if name not in named and name != "mod" and "--" not in name] == []


def test_each_test_of_a_threat_is_there():
    there = functions_of_tests()
    rows = [line for line in (places.ROOT / "docs/security.md").read_text().splitlines() if line.startswith("| ")]
    named = [span.removeprefix("test_") for row in rows for span in code(row.rsplit(" | ", 1)[-1])]
    named = [name for name in named if re.fullmatch(r"…?\w+…?", name) and name.count("_") > 1]
    assert len(named) > 100

    def is_there(name: str) -> bool:
        pattern = re.compile(re.escape(name).replace("…", r"\w*"))
        return any(pattern.fullmatch(function) for function in there)

    assert [name for name in named if not is_there(name)] == []
