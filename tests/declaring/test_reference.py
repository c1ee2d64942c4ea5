"""docs/reference.md names every function that a user may call, with its arguments, and no other."""

import re

from pgai_dev import places

# A signature is written whole in backquotes: `ai.name(argument type = default, …) → type`.
SIGNATURE = re.compile(r"`ai\.(\w+)\(([^`]*?)\) → ")
ROW = re.compile(r"^\| (`\w+`(?:, `\w+`)*) \|([^|]*)\|([^|]*)\|")
OUTSIDE_BRACKETS = re.compile(r",\s*(?![^\[]*\])")


def signature(written: str) -> tuple:
    """The arguments' names, and whether each has a default."""
    parts = [part.strip().removeprefix("VARIADIC ") for part in OUTSIDE_BRACKETS.split(written)]
    return tuple((part.split()[0], " = " in part) for part in parts if part)


def tabulated(section: str) -> tuple:
    """The arguments of a function that has so many that they are in a table."""
    rows = [ROW.match(line) for line in section.partition("*Rights:*")[0].splitlines()]
    cells = [(re.findall(r"`(\w+)`", row[1]), row[3].strip()) for row in rows if row]
    return tuple((name, default != "") for names, default in cells for name in names)


def documented() -> set:
    text = (places.ROOT / "docs" / "reference.md").read_text()
    found = set()
    for match in SIGNATURE.finditer(text):
        name, written = match.groups()
        # Of an overload that stands in full above.
        if written.endswith(", …"):
            continue
        found.add((name, tabulated(text[match.end() :]) if written == "…" else signature(written)))
    return found


def present(db) -> set:
    rows = db.sql(
        "SELECT proname, coalesce(proargnames[:pronargs], '{}'), pronargs - pronargdefaults FROM pg_proc"
        " WHERE pronamespace = 'ai'::regnamespace AND prorettype <> 'trigger'::regtype"
    )
    return {
        (function, tuple((name, place >= required) for place, name in enumerate(names)))
        for function, names, required in rows
    }


def test_what_is_documented_is_there_with_its_arguments(db):
    assert documented() - present(db) == set()


def test_what_is_there_is_documented(db):
    # What begins with an underscore is for programs, and may be left out.
    users = {name for name, _ in present(db) if not name.startswith("_")}
    assert users - {name for name, _ in documented()} == set()
