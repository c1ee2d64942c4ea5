"""ai.evaluate_search says how good the answers are, by questions whose right documents are known."""

import math
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from support import vectorizer
from support.wait import settles

EVALUATE = "SELECT mode, queries, recall, ndcg, mrr, index_recall FROM ai.evaluate_search('rows', 'judged', {k})"


@pytest.fixture
def rows(db, stub):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    # Two chunks each, of which a document counts by the better one.
    db.sql("INSERT INTO document SELECT i, 'row ' || i || '|other ' || i FROM generate_series(1, 20) i")
    db.sql("CREATE TABLE judged (query text, key jsonb, grade int)")
    vectorizer.create(db, stub.url, name="'rows'")
    vectorizer.in_step(db, ["id"])
    stub.forget()
    return db


def ranked(db, query: str) -> list[int]:
    found = db.sql("SELECT (key ->> 'id')::int FROM ai.search('rows', %s, 20, per_document => 1) ORDER BY rank", [query])
    return [id for [id] in found]


def judge(db, query: str, **grades: int) -> None:
    for id, grade in grades.items():
        db.sql("INSERT INTO judged VALUES (%s, jsonb_build_object('id', %s::int), %s)", [query, id.strip("_"), grade])


def evaluated(db, k: int) -> list[float]:
    [[mode, queries, *measures]] = db.sql(EVALUATE.format(k=k))
    return [mode, queries, *(measure if measure is None else pytest.approx(measure) for measure in measures)]


def test_the_measures_are_those_of_the_books(rows):
    first, second = ranked(rows, "row 7"), ranked(rows, "row 8")
    # The best of its documents first, the other third, and one that is not among the first three.
    judge(rows, "row 7", **{f"_{first[0]}": 2, f"_{first[2]}": 1, f"_{first[10]}": 1, f"_{first[1]}": 0})
    ideal = 2 + 1 / math.log2(3) + 1 / math.log2(4)
    assert evaluated(rows, 3) == ["vector", 1, 2 / 3, (2 + 1 / math.log2(4)) / ideal, 1, 1]
    # One that is second, and one that is not found: means of both questions.
    judge(rows, "row 8", **{f"_{second[1]}": 1})
    assert evaluated(rows, 3)[4] == (1 + 1 / 2) / 2
    judge(rows, "row 9", _999=1)
    [_, queries, recall, _, mrr, _] = evaluated(rows, 3)
    assert (queries, recall, mrr) == (3, (2 / 3 + 1 + 0) / 3, (1 + 1 / 2 + 0) / 3)


def test_each_question_is_asked_once(rows, stub):
    judge(rows, "row 7", _7=1, _8=1)
    judge(rows, "row 8", _8=1)
    stub.forget()
    assert evaluated(rows, 20)[:3] == ["vector", 2, 1]
    assert stub.embedded == {"row 7": 1, "row 8": 1}


def test_without_grades_all_are_right_ones(rows):
    rows.sql("CREATE VIEW plain AS SELECT 'row 7' AS query, '{\"id\": 7}'::text AS key")
    assert rows.sql("SELECT ndcg, mrr FROM ai.evaluate_search(1, 'plain')") == [(1, 1)]


def test_a_question_ends_with_its_last_word(rows, stub):
    """A char(n) is filled up with blanks."""
    rows.sql("CREATE VIEW plain AS SELECT 'row 7'::char(20) AS query, '{\"id\": 7}'::text AS key")
    rows.sql("SELECT FROM ai.evaluate_search(1, 'plain')")
    assert stub.embedded == {"row 7": 1}


def test_without_questions_there_is_no_measure(rows, stub):
    judge(rows, "row 7", _7=0)
    assert rows.sql(EVALUATE.format(k=10)) == [("vector", 0, None, None, None, None)]
    assert stub.requests == []


def test_an_index_that_finds_little_is_seen(rows):
    rows.sql("CREATE INDEX ON document_embedding_store USING ivfflat (embedding vector_cosine_ops) WITH (lists = 20)")
    judge(rows, "row 7", _7=1)
    with rows.connect() as session:
        session.execute("SET enable_seqscan = off; SET ivfflat.iterative_scan = relaxed_order; SET ivfflat.max_probes = 1")
        little = session.execute(EVALUATE.format(k=1)).fetchone()
        assert little[5] <= 1
    assert evaluated(rows, 10)[5] == 1


def test_it_reads_what_the_caller_may_read(rows):
    role = f"ann_{rows.name}"
    judge(rows, "row 7", _7=1)
    rows.sql(f"CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA ai TO {role}")
    try:
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="judged"):
            rows.sql(EVALUATE.format(k=3), user=role)
        rows.sql(f"GRANT SELECT ON judged TO {role}")
        with pytest.raises(psycopg.errors.UndefinedObject, match='"rows" does not exist'):
            rows.sql(EVALUATE.format(k=3), user=role)
        rows.sql(f"GRANT SELECT ON document_embedding TO {role}")
        assert rows.sql(EVALUATE.format(k=3), user=role)[0][:3] == ("vector", 1, 1)
    finally:
        rows.sql(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_a_table_that_has_no_questions(rows):
    with pytest.raises(psycopg.errors.UndefinedColumn):
        rows.sql("SELECT * FROM ai.evaluate_search('rows', 'document')")


@pytest.mark.parametrize("column", ["query", "key", "grade"])
def test_a_cast_of_the_questions_owner_does_not_run(rows, column):
    """Whoever owns a type may say what becomes of it as a text, as JSON or as a number, by a function that runs as the caller."""
    target = {"query": "text", "key": "jsonb", "grade": "float8"}[column]
    judge(rows, "row 7", _7=1)
    rows.sql(f"""
        CREATE TYPE kind AS (a int);
        CREATE FUNCTION converted(kind) RETURNS {target} LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'caught'; END $$;
        CREATE CAST (kind AS {target}) WITH FUNCTION converted(kind);
        ALTER TABLE judged ALTER COLUMN {column} TYPE kind USING ROW(1)::kind
    """)
    with pytest.raises(psycopg.errors.DatatypeMismatch, match=f"column {column} of public.judged has type public.kind"):
        rows.sql(EVALUATE.format(k=3))


def test_other_columns_of_the_questions_are_not_read(rows):
    judge(rows, "row 7", _7=1)
    rows.sql("""
        CREATE TYPE kind AS ENUM ('a');
        CREATE FUNCTION as_json(kind) RETURNS json LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'caught'; END $$;
        CREATE CAST (kind AS json) WITH FUNCTION as_json(kind);
        ALTER TABLE judged ADD COLUMN note kind DEFAULT 'a'
    """)
    assert evaluated(rows, 3)[:3] == ["vector", 1, 1]


def test_a_table_that_takes_the_place_of_the_questions_does_not_have_its_casts_run(rows):
    """Whoever owns the questions may give their name to another table while an evaluation waits for a lock."""
    judge(rows, "row 7", _7=1)
    rows.sql("""
        CREATE TYPE kind AS ENUM ('a'); CREATE SEQUENCE ran;
        CREATE FUNCTION as_json(kind) RETURNS jsonb LANGUAGE sql AS $$ SELECT to_jsonb(nextval('ran')) $$;
        CREATE CAST (kind AS jsonb) WITH FUNCTION as_json(kind);
        CREATE TABLE planted (query text, key kind, grade int); INSERT INTO planted VALUES ('row 7', 'a', 1)
    """)
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%evaluate_search%' AND pid <> pg_backend_pid()"
    with ThreadPoolExecutor() as pool, rows.connect(autocommit=False) as owner:
        owner.execute("ALTER TABLE judged RENAME TO old; ALTER TABLE planted RENAME TO judged")
        evaluation = pool.submit(rows.sql, EVALUATE.format(k=3))
        settles(lambda: rows.value(waiting), 1)
        owner.commit()
        with pytest.raises(psycopg.errors.InvalidTextRepresentation):
            evaluation.result()
    assert rows.value("SELECT is_called FROM ran") is False


def test_a_key_that_is_no_json_is_refused(rows):
    judge(rows, "row 7", _7=1)
    rows.sql("ALTER TABLE judged ALTER COLUMN key TYPE int USING 7")
    with pytest.raises(psycopg.errors.DatatypeMismatch, match="column key of public.judged has type integer"):
        rows.sql(EVALUATE.format(k=3))
