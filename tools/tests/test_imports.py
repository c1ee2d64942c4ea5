"""The imports are read from the source, and held to the floors."""

import pytest
from pgai_dev import imports, places
from pgai_dev.console import Failure
from pgai_dev.rust_source import bare


@pytest.fixture
def crate(tmp_path):
    """Makes a crate of these files: crate({"a.rs": "use crate::b::B;"}) with a lib.rs that has the modules at its root."""

    def make(files: dict[str, str]) -> imports.House:
        rooms = sorted({name.split("/")[0].removesuffix(".rs") for name in files})
        for name, text in {"lib.rs": "".join(f"mod {room};\n" for room in rooms), **files}.items():
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True, parents=True)
            path.write_text(text)
        return imports.house(tmp_path / "lib.rs")

    return make


def edges(house: imports.House) -> set[str]:
    return {f"{a} -> {b}" for a, b in house.edges}


@pytest.mark.parametrize(
    "source",
    [
        "use crate::b::B;",
        "use super::b::{self, B as Other};\nfn f() { b::g() }",
        "use crate::{b::{B, C}, a};",
        "fn f() -> crate::b::B { crate::b::B }",
        "use crate::b;\nfn f() { b::g::<u8>() }",
        "fn f() { use crate::b::B; }",
        "use crate::b::*;",
        'const A: char = \'"\'; use crate::b::B; const C: &str = "";',
        "fn f<'a>(a: &'a str) { crate::b::g(a) }",
    ],
)
def test_an_import_is_found_wherever_it_stands(crate, source):
    assert edges(crate({"a.rs": source, "b.rs": ""})) == {"a.rs -> b.rs"}


@pytest.mark.parametrize(
    "source",
    [
        "use std::b::B;",
        "/// [`B`](crate::b::B)\n// crate::b::B\n/* crate::b /* crate::b::B */ crate::b::B */",
        'const A: &str = "crate::b::B"; const B: &str = r#"" crate::b::B"#;',
        "#[cfg(test)]\nmod tests {\n    use crate::b::B;\n}",
        "#[cfg(test)]\nuse crate::b::B;",
        "pub(in crate::b) fn f() {}",
        "use crate::b;",
    ],
)
def test_what_is_no_import_is_not_taken_for_one(crate, source):
    assert edges(crate({"a.rs": source, "b.rs": ""})) == set()


def test_code_after_a_test_is_read():
    assert "crate::b" in bare("#[cfg(test)]\nmod tests { fn f() { [1; 2] } }\nuse crate::b::B;")


def test_what_is_passed_on_is_its_makers(crate):
    house = crate(
        {
            "a.rs": "use crate::b::{C, D};\nfn f() { C::new(D) }",
            "b/mod.rs": "mod c;\nmod d;\npub use self::c::{C, D};",
            "b/c.rs": "pub use super::d::D;\npub struct C;",
            "b/d.rs": "pub struct D;",
        }
    )
    assert edges(house) == {"a.rs -> b/c.rs", "a.rs -> b/d.rs", "b/c.rs -> b/d.rs"}


def test_a_child_and_its_parent_are_no_circle(crate):
    files = {
        "a/mod.rs": "mod b;\npub trait A {}\nfn f() { b::B }",
        "a/b.rs": "use super::A;\npub struct B;",
    }
    assert imports.circles(crate(files).counted) == []
    files |= {"a/b.rs": "use super::A;\nuse crate::c::C;\npub struct B;", "c.rs": "use crate::a::A;\npub struct C;"}
    assert imports.circles(crate(files).counted) == [{"a/mod.rs", "a/b.rs", "c.rs"}]


def test_a_circle_goes_through_as_many_files_as_it_likes(crate):
    ring = {"a.rs": "use crate::b::B;", "b.rs": "use crate::c::C;", "c.rs": "use crate::a::A;", "d.rs": "use crate::a::A;"}
    assert imports.circles(crate(ring).counted) == [{"a.rs", "b.rs", "c.rs"}]


def rules(**listed) -> imports.Rules:
    return imports.Rules(root="lib.rs", floors=[{"a"}, {"b", "c"}], **listed)


def test_who_reaches_upwards_is_told_where(crate):
    house = crate({"a.rs": "", "b.rs": "\nuse crate::a::A;", "c.rs": "use crate::b::B;"})
    assert imports.objections(house, rules()) == ["b.rs:2 reaches up to a.rs"]
    assert imports.objections(house, rules(upwards={("b.rs", "a.rs")})) == []


def test_what_is_mended_leaves_the_list(crate):
    house = crate({"a.rs": "", "b.rs": "", "c.rs": ""})
    assert imports.objections(house, rules(upwards={("b.rs", "a.rs")})) == [
        "b.rs does not reach up to a.rs any more: take it off the list"
    ]
    assert imports.objections(house, rules(circles=[{"b.rs", "c.rs"}])) == [
        "in no circle any more, take off the list: b.rs, c.rs"
    ]


def test_a_circle_that_is_known_may_not_grow(crate):
    house = crate({"a.rs": "", "b/mod.rs": "mod d;\nmod e;", "b/d.rs": "use super::e::E;", "b/e.rs": "use super::d::D;", "c.rs": ""})
    assert imports.objections(house, rules(circles=[{"b/d.rs", "b/e.rs"}])) == []
    assert imports.objections(house, rules()) == ["2 files import each other: b/d.rs, b/e.rs"]


def test_rooms_of_one_floor_make_no_circle(crate):
    house = crate({"a.rs": "", "b/mod.rs": "mod d;\nmod e;", "b/d.rs": "use crate::c::C;", "b/e.rs": "", "c.rs": "use crate::b::e::E;"})
    assert imports.objections(house, rules()) == ["2 rooms import each other: b, c"]


def test_every_room_has_a_floor(crate):
    house = crate({"a.rs": "", "b.rs": "", "d.rs": ""})
    assert imports.objections(house, rules()) == ["d has no floor: give it one", "c has a floor, and is not there"]


def test_ours_stand():
    for held in imports.CRATES:
        house = imports.house(places.ROOT / held.root)
        # A reader that finds nothing objects to nothing.
        assert len(house.edges) > len(house.rooms)
        assert imports.objections(house, held) == []


def test_an_objection_fails(monkeypatch):
    monkeypatch.setattr(imports, "CRATES", [imports.Rules("src/lib.rs", [])])
    with pytest.raises(Failure, match="api has no floor"):
        imports.check()
