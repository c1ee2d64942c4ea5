"""The things that the figures of the code count, and those that they do not."""

import json

import pytest
from pgai_dev import figures, places
from pgai_dev.console import Failure
from pgai_dev.rust_measures import measure


def found(kind: str, source: str) -> list[int]:
    """The lines at which a kind is found."""
    return [place.line for place in measure("a.rs", source).found[kind]]


@pytest.mark.parametrize(
    ("kind", "source"),
    [
        ("closures", "f(|a| a)"),
        ("closures", "let f = || 1;"),
        ("closures", "f(x, move |a, b| a)"),
        ("closures", "let f = async |task| task.await;"),
        ("closures", "match a { B => |c| c, _ => d }"),
        ("tuple_lets", "let (a, b) = (1, 2);"),
        ("tuple_lets", "let (mut a, b): (A, Vec<B>) = (f(), Vec::new());"),
        ("tuple_lets", "let (a, (b, c)) = (1, f());"),
        ("unwraps", "f().unwrap();"),
        ("unwraps", "f()\n.expect(\"it is there\");"),
        ("panics", "unreachable!()"),
        ("todos", "// TODO: all of it"),
        ("riddles", "/// What it is."),
        ("riddles", "//! Of what was said."),
        ("riddles", "/// `By` it."),
        ("unsafe_bare", "fn f() {\n    g();\n    unsafe { h() }\n}"),
        ("unsafe_bare", "// Safe, by the way.\nunsafe { h() }"),
        ("items_bare", "pub fn f() {}"),
        ("items_bare", "pub(crate) struct A;"),
        ("items_bare", "//! A file.\npub const A: u8 = 1;"),
        ("members_bare", "struct A {\n    pub a: u8,\n}"),
        ("members_bare", "enum A {\n    /// One.\n    B(u8, C),\n    D { e: u8 },\n}"),
        ("examples", "/// A.\n///\n/// ```\n/// a()\n/// ```"),
    ],
)
def test_it_is_counted_once(kind, source):
    assert len(found(kind, source)) == 1


@pytest.mark.parametrize(
    ("kind", "source"),
    [
        ("closures", "a || b"),
        ("closures", 'a == "x"\n    || b'),
        ("closures", "match a { B | C => d, '|' => e }"),
        ("closures", "matches!(a, 'b' | 'c')"),
        ("closures", "// f(|a| a)"),
        ("tuple_lets", "let (a, b) = f();"),
        ("tuple_lets", "let (a, b) = (f)(1, 2);"),
        ("tuple_lets", "if let (Some(a), Some(b)) = (c, d) {}"),
        ("unwraps", "f().unwrap_or(1);"),
        ("unwraps", 'const A: NonZeroU8 = NonZeroU8::new(1).unwrap();'),
        ("unwraps", '#[cfg(test)]\nmod tests {\n    fn f() { g().unwrap() }\n}'),
        ("unwraps", '/// f().unwrap()\nconst A: &str = ".unwrap()";'),
        ("riddles", "/// Whatever it is."),
        ("riddles", "/// A thing.\n/// What it is."),
        ("riddles", "// What it is."),
        ("riddles", "#[cfg(test)]\nmod tests {\n    /// What it is.\n    fn f() {}\n}"),
        ("unsafe_bare", "// SAFETY: it is\n// so.\nunsafe { h() }"),
        ("unsafe_bare", "// SAFETY: so.\nlet a = f(\n    1,\n    unsafe { h() },\n);"),
        ("unsafe_bare", "unsafe fn f() {}"),
        ("items_bare", "/// It.\n#[a(b = \"]\")]\n#[c]\npub fn f() {}"),
        ("items_bare", "pub mod a;\npub use b::C;"),
        ("items_bare", "/// It.\npub async fn f() {\n    fn g() {}\n}"),
        ("members_bare", "struct A {\n    /// One.\n    #[b]\n    pub c: u8,\n    d: u8,\n}"),
        ("members_bare", "enum A {\n    /// One.\n    B = 1,\n    /// Two.\n    #[c]\n    D,\n}"),
        ("examples", "/// ```text\n/// a\n/// ```"),
        ("examples", "/// ```ignore\n/// a\n/// ```\nfn f() {}"),
    ],
)
def test_it_is_not_taken_for_one(kind, source):
    assert found(kind, source) == []


def test_a_function_is_as_long_as_it_is():
    source = """\
#[attribute]
pub fn long<const N: usize>(a: [u8; N], b: &str) -> Result<(), E>
where
    A: B,
{
    // A word.
    let text = "}";

    fn short() {}
    a()
}

trait T {
    fn declared(&self);
}
"""
    long, short = measure("a.rs", source).functions
    assert (str(long.place), long.lines, long.body, long.blank, long.commented) == ("a.rs:2: long", 10, 5, 1, True)
    assert (str(short.place), short.lines, short.body, short.commented) == ("a.rs:9: short", 1, 0, False)


def test_lines_are_code_or_comments_and_not_tests():
    source = '//! A.\n\n/// B.\nfn f() {} // C.\n\n#[cfg(test)]\nmod tests {\n    // D.\n    fn g() {}\n}\n'
    measured = measure("a.rs", source)
    assert (measured.lines, measured.code, measured.comments) == (5, 1, 2)


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A tree with an extension and a crate, which is taken for ours."""
    files = {
        "src/lib.rs": "//! It.\n\n/// Returns it.\npub fn f() {\n" + "    g();\n" * 60 + "}\n",
        "crates/a/src/lib.rs": "/// How.\npub struct A;\n\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn f() {}\n}\n",
        "crates/a/tests/a.rs": "#[tokio::test]\nasync fn f() {\n    g().unwrap()\n}\n",
        "tests/test_a.py": "def test_a():\n    pass\n\n\ndef helper():\n    pass\n",
    }
    for name, text in files.items():
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(places, "ROOT", tmp_path / "tree")


def test_they_are_told_by_crate(tree, capsys):
    figures.show(["--json"])
    told = json.loads(capsys.readouterr().out)
    assert list(told["crates"]) == ["all", "src", "a"]
    assert told["tests"] == {"rust": 2, "python": 1}
    assert told["long_functions"] == {"src/lib.rs:4: f": 62}
    assert told["crates"]["src"]["fn_max"] == told["crates"]["all"]["fn_max"] == 62
    assert told["crates"]["a"]["riddles"] == 1
    assert told["crates"]["a"]["file_docs_percent"] == 0
    assert told["crates"]["all"]["items_percent"] == 100


def test_a_person_reads_a_table_and_places(tree, capsys):
    figures.show([])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["all", "src", "a"]
    assert "  > 50 / > 100 lines" in [line[:20] for line in lines]
    assert "    62 src/lib.rs:4: f" in lines
    figures.show(["--places", "riddles"])
    assert capsys.readouterr().out == "crates/a/src/lib.rs:1: How.\n"


def test_a_commit_that_is_not_there_is_told(tree):
    with pytest.raises(Failure, match="git archive"):
        figures.show(["--at", "no-such-commit"])


def test_ours_are_read():
    told = figures.figures(figures.house(places.ROOT).groups()["all"])
    # A reader that finds nothing is content with everything.
    assert told["functions"] > 1000
    assert told["closures_kloc"] > 10
    assert told["unsafe"] == told["unsafe_noted"] > 100
    assert told["unwraps"] == told["todos"] == 0
    assert told["file_docs_percent"] == 100
