"""A filter is one condition of the caller's: it may say anything, and be nothing else."""

import psycopg
import pytest
from support import vectorizer

FOUND = "SELECT (key ->> 'id')::int FROM ai.search('rows', 'row 1', 30, %s, %s::text[]) ORDER BY 1"


@pytest.fixture
def rows(db, stub):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, title text, body text)")
    db.sql("INSERT INTO document SELECT i, 'title ' || i, 'row ' || i || '|other ' || i FROM generate_series(1, 6) i")
    vectorizer.create(db, stub.url, name="'rows'")
    vectorizer.in_step(db, ["id"])
    return db


def found(db, filter: str | None, *values: str | None, **options) -> list[int]:
    """The rows that are found, once for each of their two chunks."""
    return [id for [id] in db.sql(FOUND, [filter, list(values) if values else None], **options)]


@pytest.mark.parametrize(
    ("filter", "rows_that_fit"),
    [
        (None, [1, 2, 3, 4, 5, 6]),
        ("id > 4", [5, 6]),
        ("document.id > 4", [5, 6]),
        ("document.id > 4 -- and that is all", [5, 6]),
        ("/* first */ id > 4 /* last */", [5, 6]),
        ("id = 1 OR id = 2", [1, 2]),
        ("title IN (SELECT d.title FROM document d WHERE d.id = 3)", [3]),
        ("EXISTS (SELECT 1 FROM document AS _chunk WHERE _chunk.id = document.id AND _chunk.id = 3)", [3]),
        ("title = E'title \\x33'", [3]),
        ("title = $$title 3$$", [3]),
        ("NULL", []),
        ("false", []),
    ],
)
def test_any_condition_over_the_columns_of_the_source(rows, filter, rows_that_fit):
    assert found(rows, filter) == sorted(2 * rows_that_fit)


def test_the_chunk_may_be_asked_for_too(rows):
    assert found(rows, "chunk LIKE 'other%' AND id < 3") == [1, 2]
    assert found(rows, "chunk_seq = 0 AND id < 3") == [1, 2]


@pytest.mark.parametrize(
    "filter",
    [
        "",
        "   ",
        "-- nothing",
        "*",
        "true) OR (true",
        "true); DROP TABLE document; SELECT (true",
        "true; DROP TABLE document",
        "true UNION SELECT true",
        "true ORDER BY 1",
        "true LIMIT 1",
        "true OFFSET 0",
        "true FOR UPDATE",
        "true FROM document",
        "true WHERE true",
        "true GROUP BY 1",
        "true HAVING true",
        "true, true",
        "true AS x",
        "true x",
        "DISTINCT true",
        "ALL true",
        "true /* not ended",
        "'not ended",
        "$$not ended",
        "SELECT true",
        "WHERE true",
        "WINDOW w AS ()",
        "= 1",
        "id >",
    ],
)
def test_what_is_not_one_condition_is_refused(rows, filter):
    with pytest.raises(psycopg.errors.SyntaxError):
        found(rows, filter)
    assert rows.value("SELECT count(*) FROM document") == 6


@pytest.mark.parametrize(
    ("filter", "values", "rows_that_fit"),
    [
        ("id = $1", ["3"], [3]),
        ("id = $1 AND title = $2 AND $1 = 3", ["3", "title 3"], [3]),
        ("$2 = title OR id=$1", ["3", "title 4"], [3, 4]),
        ("id = ANY ($1)", ["{1,2}"], [1, 2]),
        ("id > $1 + 1 AND id < $2::numeric / 2", ["3", "11.0"], [5]),
        ("id IN (SELECT d.id FROM document d WHERE d.title = $1)", ["title 2"], [2]),
        ("id IN (SELECT d.id FROM document d ORDER BY d.id LIMIT $1)", ["2"], [1, 2]),
        # What looks like one and is none.
        ("title = 'title $1' OR id = $1", ["2"], [2]),
        ('title = $q$title $1$q$ OR id = $1 /* $2 */ -- $3', ["2"], [2]),
        # What would end a literal.
        ("title = $1", ["title 1' OR 'a' = 'a"], []),
        ("title = $1", ["\\' OR true --"], []),
        ("title = $1", ["title 1); DROP TABLE document; --"], []),
        ("title = $1 OR title = $2", ["\\", " OR true OR 'a' = "], []),
        ("title = $1 OR id = 1", ["$1 $2"], [1]),
        ("title IS NOT DISTINCT FROM $1", [None], []),
        ("$1::text IS NULL AND id = 1", [None], [1]),
    ],
)
def test_values_come_in_beside_it(rows, filter, values, rows_that_fit):
    assert found(rows, filter, *values) == sorted(2 * rows_that_fit)
    # However the session reads a literal.
    with rows.connect() as session:
        session.execute("SET standard_conforming_strings = off; SET escape_string_warning = off; SET backslash_quote = on")
        assert [id for [id] in session.execute(FOUND, [filter, values])] == sorted(2 * rows_that_fit)


@pytest.mark.parametrize(("filter", "values"), [("id = $1", []), ("id = $2", ["1"]), ("id = $0", ["1"]), ("id = $1", None)])
def test_a_value_that_is_not_there(rows, filter, values):
    with pytest.raises(psycopg.errors.UndefinedParameter, match=r"there is no value for \$[012]"):
        rows.sql(FOUND, [filter, values])


def test_values_make_a_filter_only_so_long(rows):
    """Each counts as often as it is named."""
    value = "x" * (1 << 20)
    assert found(rows, "title <> ALL (ARRAY[$1, $1, $1])", value) == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6]
    with pytest.raises(psycopg.errors.ProgramLimitExceeded, match="too long with its values") as caught:
        found(rows, f"title <> ALL (ARRAY[{', '.join(['$1'] * 100)}])", value)
    assert caught.value.diag.message_detail == "It may have 16 MB. A value counts as often as the filter names it."


@pytest.mark.parametrize(("filter", "values"), [("id > 5 --{}", []), ("id > $1 --{}", ["5"]), ("--{}\n id > $1", ["5"])])
def test_a_filter_is_only_so_long_wherever_its_values_stand(rows, filter, values):
    assert found(rows, filter.format("x" * 1000), *values) == [6, 6]
    with pytest.raises(psycopg.errors.ProgramLimitExceeded, match="the filter is too long"):
        found(rows, filter.format("x" * (16 << 20)), *values)


def test_what_a_filter_gets_wrong_is_said_as_postgres_says_it(rows):
    for filter, error in [
        ("titel = 'x'", psycopg.errors.UndefinedColumn),
        ("id", psycopg.errors.DatatypeMismatch),
        ("count(*) > 1", psycopg.errors.GroupingError),
        ("id = 'x'", psycopg.errors.InvalidTextRepresentation),
        ("1 / (id - 3) = 0", psycopg.errors.DivisionByZero),
        ("id IN (SELECT d.id FROM document d FOR UPDATE)", psycopg.errors.FeatureNotSupported),
    ]:
        with pytest.raises(error):
            found(rows, filter)


def test_a_filter_is_read_under_the_callers_path(rows):
    rows.sql("CREATE SCHEMA mine; CREATE FUNCTION mine.fits(int) RETURNS bool LANGUAGE sql RETURN $1 = 2")
    with pytest.raises(psycopg.errors.UndefinedFunction):
        found(rows, "fits(id)")
    with rows.connect() as session:
        session.execute("SET search_path = mine, public")
        assert session.execute(FOUND, ["fits(id)", None]).fetchall() == [(2,), (2,)]
