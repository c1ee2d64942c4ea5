"""A search shows to nobody what that role could not read by hand, and runs nothing with more rights than the caller's."""

import contextlib
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from support import tenant, vectorizer
from support.wait import eventually

SEARCH = "SELECT (key ->> 'id')::int FROM ai.search('rows', '[1,2,3,4,5,6,7,8]'::vector, 30, %s) ORDER BY 1"


@pytest.fixture
def owner(db, stub):
    """A role with a vectorizer `rows` on a table of hers, with a secret that others need not know."""
    with tenant.with_rows(db, stub, "owner", {1: "ann", 2: "ben"}, ", secret text DEFAULT 's'") as owner:
        yield owner


@pytest.fixture
def reader(db, owner):
    with tenant.reading(db, owner, "ann") as reader:
        yield reader


def found(db, filter: str | None = None, **options) -> list[int]:
    return [id for [id] in db.sql(SEARCH, [filter], **options)]


@contextlib.contextmanager
def refused(message: str):
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match=message):
        yield


def test_who_may_read_nothing_learns_nothing(db, reader, stub):
    for query in ("'[1,2,3,4,5,6,7,8]'::vector", "'question'"):
        with pytest.raises(psycopg.errors.UndefinedObject, match='"rows" does not exist'):
            db.sql(f"SELECT * FROM ai.search('rows', {query})", user=reader)
    assert stub.requests == []


def test_the_store_is_enough(db, owner, reader):
    owner.sql(f"GRANT SELECT ON {owner.name}.document_embedding_store TO {reader}")
    assert found(db, user=reader) == [1, 2]
    assert db.value("SELECT count(*) FROM ai.search('rows', 'question')", user=reader) == 2
    # The filter is over the source.
    with refused("document"):
        found(db, "id = 1", user=reader)
    owner.sql(f"GRANT SELECT (id, who) ON {owner.name}.document TO {reader}")
    assert found(db, "who = 'ann'", user=reader) == [1]
    with refused("document"):
        found(db, "secret = 's'", user=reader)


def test_the_view_is_enough(db, owner, reader):
    owner.sql(f"GRANT SELECT ON {owner.name}.document_embedding TO {reader}")
    assert found(db, user=reader) == [1, 2]
    assert found(db, "document.who = 'ann' AND secret = 's' AND chunk = 'hers'", user=reader) == [1]
    assert db.value("SELECT count(*) FROM ai.search('rows', 'question')", user=reader) == 2


def test_the_view_is_not_read_by_who_may_read_the_store(db, owner):
    """What is in a view runs with the rights of whoever reads it. A table has nothing that would run."""
    owner.sql(f"""
        CREATE FUNCTION {owner.name}.trap() RETURNS int LANGUAGE plpgsql AS $$
        BEGIN
            IF current_user <> '{owner.name}' THEN RAISE EXCEPTION 'caught %', current_user; END IF;
            RETURN 1;
        END $$
    """)
    view = db.value("SELECT pg_get_viewdef(%s::regclass)", [f"{owner.name}.document_embedding"]).rstrip("; ")
    owner.sql(f"CREATE OR REPLACE VIEW {owner.name}.document_embedding AS {view} WHERE {owner.name}.trap() = 1")
    with pytest.raises(psycopg.errors.RaiseException, match="caught postgres"):
        db.sql(f"SELECT * FROM {owner.name}.document_embedding")
    assert found(db) == found(db, "id > 0") == [1, 2]


def test_a_cast_of_the_owners_makes_no_json(db, owner, stub):
    """Whoever owns a type may say what becomes of it as JSON, by a function that would run as the caller."""
    owner.sql(f"""
        CREATE TYPE {owner.name}.kind AS ENUM ('a', 'b');
        CREATE FUNCTION {owner.name}.as_json({owner.name}.kind) RETURNS json LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'caught %', current_user; END $$;
        CREATE CAST ({owner.name}.kind AS json) WITH FUNCTION {owner.name}.as_json({owner.name}.kind);
        CREATE TABLE {owner.name}.kinds (id {owner.name}.kind PRIMARY KEY, body text);
        INSERT INTO {owner.name}.kinds VALUES ('a', 'one')
    """)
    vectorizer.create(db, stub.url, f"{owner.name}.kinds", user=owner.name, name="'kinds'")
    count = f"SELECT count(*) = 1 FROM {owner.name}.kinds_embedding_store"
    eventually(lambda: db.value(count), what="the row to be embedded")
    assert db.sql("SELECT key FROM ai.search('kinds', 'one')") == [({"id": "a"},)]


def caught(db, owner) -> str:
    """The name of a function of the owner's that fails if anybody else runs it, with the index that does at each planning."""
    owner.sql(f"""
        CREATE FUNCTION {owner.name}.trap(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
        BEGIN
            IF current_user <> '{owner.name}' THEN RAISE EXCEPTION 'caught %', current_user; END IF;
            RETURN $1;
        END $$
    """)
    return f"{owner.name}.trap"


@pytest.mark.parametrize(
    "attached",
    [
        "CREATE INDEX ON {store} ((chunk_seq + {trap}(1)))",
        "CREATE INDEX ON {store} (chunk_seq) WHERE {trap}(1) = 1",
        "CREATE STATISTICS {store}_statistics ON chunk, (chunk_seq + {trap}(1)) FROM {store}; ANALYZE {store}",
        "CREATE INDEX ON {source} ((id + {trap}(1)))",
    ],
)
def test_what_is_attached_to_a_table_does_not_run_as_a_superuser(db, owner, attached):
    """Planning alone evaluates what is constant in the expressions of indexes and statistics."""
    source = f"{owner.name}.document"
    owner.sql(attached.format(store=f"{source}_embedding_store", source=source, trap=caught(db, owner)))
    with pytest.raises(psycopg.errors.RaiseException, match="caught postgres"):
        db.sql(f"SELECT FROM {source} JOIN {source}_embedding_store USING (id)")
    assert found(db) == found(db, "id > 0") == [1, 2]


def test_a_superusers_filter_keeps_its_path_and_has_the_owners_rights(db, owner):
    owner.sql(f"CREATE FUNCTION {owner.name}.fits(int) RETURNS bool LANGUAGE sql RETURN true")
    db.sql("CREATE SCHEMA mine; GRANT USAGE ON SCHEMA mine TO PUBLIC")
    db.sql("CREATE FUNCTION mine.fits(int) RETURNS bool LANGUAGE sql RETURN $1 = 2")
    db.sql("CREATE TABLE mine.closed AS SELECT 1 AS id")
    with db.connect() as session:
        session.execute('SET search_path = "$user", mine, public')
        assert session.execute(SEARCH, ["fits(id)"]).fetchall() == [(2,)]
        assert session.execute("SHOW search_path").fetchone() == ('"$user", mine, public',)
    with refused("permission denied for table closed"):
        found(db, "id IN (SELECT c.id FROM mine.closed c)")


def test_no_other_table_of_the_name_is_read_as_a_superuser(db, owner, stub):
    """A schema is renamed while a search waits for a lock: the store's name means a view by then."""
    store, other = f"{owner.name}_store", f"{owner.name}_other"
    db.sql(f"CREATE SCHEMA {store} AUTHORIZATION {owner.name}; CREATE SCHEMA {other} AUTHORIZATION {owner.name}")
    db.sql(f"GRANT CREATE ON DATABASE {db.name} TO {owner.name}")
    try:
        owner.sql(f"CREATE TABLE {owner.name}.apart (id int PRIMARY KEY, body text)")
        destination = f"ai.destination_table(target_schema => '{store}', target_table => 'chunks')"
        vectorizer.create(
            *(db, stub.url, f"{owner.name}.apart"), user=owner.name, name="'apart'", destination=destination
        )
        owner.sql(f"""
            CREATE VIEW {other}.chunks AS
            SELECT c.* FROM {store}.chunks c WHERE {caught(db, owner)}(1) = 1;
            INSERT INTO {owner.name}.apart VALUES (1, 'one')
        """)
        eventually(lambda: db.value(f"SELECT count(*) = 1 FROM {store}.chunks"), what="the row to be embedded")
        search = "SELECT key FROM ai.search('apart', '[1,2,3,4,5,6,7,8]'::vector)"

        with db.connect(user=owner.name, autocommit=False) as holder, db.connect() as searcher:
            holder.execute(f"LOCK TABLE {owner.name}.apart")
            pid = searcher.execute("SELECT pg_backend_pid()").fetchone()[0]
            with ThreadPoolExecutor(1) as threads:
                answer = threads.submit(lambda: searcher.execute(search).fetchall())
                waits = f"SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = {pid}"
                eventually(lambda: db.value(waits), what="the search to wait for the source")
                owner.sql(f"ALTER SCHEMA {store} RENAME TO {store}_before; ALTER SCHEMA {other} RENAME TO {store}")
                holder.rollback()
                with contextlib.suppress(psycopg.errors.SerializationFailure):
                    assert answer.result() == [({"id": 1},)]
    finally:
        db.sql(f"DROP OWNED BY {owner.name} CASCADE; GRANT USAGE ON SCHEMA ai TO {owner.name}")


@pytest.mark.parametrize(
    ("column", "kind", "value"),
    [
        ("chunk", "bigint", "140000000000000"),
        ("chunk", "float8", "1e300"),
        ("citation", "bigint", "140000000000000"),
        ("embedding_uuid", "bigint", "140000000000000"),
        ("chunk_seq", "text", "'none'"),
        ("chunk_seq", "numeric", "7"),
    ],
)
def test_a_value_of_another_type_is_taken_for_what_it_is(db, owner, column, kind, value):
    """The store's owner may change the types of its columns. Numbers taken for addresses would be read from memory."""
    store = f"{owner.name}.document_embedding_store"
    owner.sql(f"DROP VIEW {owner.name}.document_embedding")
    owner.sql(f"ALTER TABLE {store} ADD COLUMN IF NOT EXISTS citation jsonb")
    config = """jsonb_set(config, '{destination,citation}', 'true')"""
    db.sql(f"UPDATE ai.vectorizer SET config = {config}")
    owner.sql(f"""
        ALTER TABLE {store} DROP CONSTRAINT document_embedding_store_pkey, ALTER COLUMN {column} DROP DEFAULT,
            ALTER COLUMN {column} TYPE {kind} USING {value}
    """)
    search = f"SELECT {column}::text FROM ai.search('rows', '[1,2,3,4,5,6,7,8]'::vector)"
    with db.connect(user=owner.name) as session:
        try:
            shown = {text for [text] in session.execute(search).fetchall()}
            assert shown <= {value, "1e+300"}
        except (psycopg.errors.CannotCoerce, psycopg.errors.InvalidTextRepresentation):
            pass
        assert session.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("column", ["chunk", "embedding", "embedding_uuid", "chunk_seq"])
def test_a_type_of_the_owners_is_not_read(db, owner, reader, column):
    """With it come casts and operators that would run as whoever searches, such as one beside those of pgvector."""
    store, kind = f"{owner.name}.document_embedding_store", f"{owner.name}.kind"
    db.sql(f"GRANT CREATE ON SCHEMA public TO {owner.name}")
    owner.sql(f"""
        CREATE TYPE {kind} AS (a int);
        CREATE FUNCTION {owner.name}.near({kind}, public.vector) RETURNS float8 LANGUAGE plpgsql
            AS $$ BEGIN RAISE EXCEPTION 'caught %', current_user; END $$;
        CREATE OPERATOR public.<=> (LEFTARG = {kind}, RIGHTARG = public.vector, FUNCTION = {owner.name}.near);
    """)
    for target in ["text", "int4", "uuid", "real[]", "public.vector"]:
        function = f"{owner.name}.to_{target.translate(str.maketrans('[].', '___'))}"
        owner.sql(f"""
            CREATE FUNCTION {function}({kind}) RETURNS {target} LANGUAGE plpgsql
                AS $$ BEGIN RAISE EXCEPTION 'caught %', current_user; END $$;
            CREATE CAST ({kind} AS {target}) WITH FUNCTION {function}({kind})
        """)
    owner.sql(f"DROP VIEW {owner.name}.document_embedding")
    owner.sql(f"""
        ALTER TABLE {store} DROP CONSTRAINT document_embedding_store_pkey, ALTER COLUMN {column} DROP DEFAULT,
            ALTER COLUMN {column} TYPE {kind} USING ROW(1)::{kind}
    """)
    owner.sql(f"GRANT SELECT ON {store} TO {reader}")
    for user in (reader, "postgres"):
        with pytest.raises(psycopg.errors.DatatypeMismatch, match=f"column {column} of .* has another type"):
            found(db, user=user)


def test_row_security_holds(db, owner, reader):
    db.sql(f"UPDATE {owner.name}.document SET who = '{reader}' WHERE id = 1")
    owner.sql(f"CREATE POLICY mine ON {owner.name}.document USING (who = current_user)")
    owner.sql(f"ALTER TABLE {owner.name}.document ENABLE ROW LEVEL SECURITY")
    tables = f"{owner.name}.document, {owner.name}.document_embedding_store, {owner.name}.document_embedding"
    owner.sql(f"GRANT SELECT ON {tables} TO {reader}")
    assert found(db, user=reader) == [1]
    assert found(db, "id > 0 OR true", user=reader) == [1]
    assert db.value("SELECT count(*) FROM ai.search('rows', 'his')", user=reader) == 1
    # A filter that tells what it sees sees no more than that.
    notices = []
    with db.connect(user=reader) as session:
        session.add_notice_handler(lambda notice: notices.append(notice.message_primary))
        session.execute("""
            CREATE FUNCTION pg_temp.tell(text) RETURNS bool LANGUAGE plpgsql COST 0.0001 AS
            $$ BEGIN RAISE NOTICE '%', $1; RETURN true; END $$
        """)
        session.execute(SEARCH, ["pg_temp.tell(document.body)"])
    assert notices == ["hers"]
    # The owner, for whom policies don't hold, sees all.
    assert found(db, user=owner.name) == [1, 2]


def test_a_filter_may_do_what_the_caller_may(db, owner, reader):
    owner.sql(f"GRANT SELECT ON {owner.name}.document_embedding_store, {owner.name}.document TO {reader}")
    assert found(db, f"current_user = '{reader}'", user=reader) == [1, 2]
    db.sql("CREATE TABLE closed (id int); INSERT INTO closed VALUES (1)")
    with refused("permission denied for table closed"):
        found(db, "id IN (SELECT c.id FROM public.closed c)", user=reader)
    with refused("permission denied for function pg_read_file"):
        found(db, "pg_read_file('/etc/passwd') IS NOT NULL", user=reader)


def test_the_address_is_for_who_may_read_it(db, reader, bucket, stub):
    db.sql("CREATE TABLE object (id int PRIMARY KEY, uri text)")
    vectorizer.create(db, stub.url, "object", name="'objects'", loading="ai.loading_uri('uri')")
    uri = bucket.put("a.txt", "first")
    db.sql("INSERT INTO object VALUES (1, %s)", [uri])
    eventually(lambda: db.value("SELECT count(*) = 1 FROM object_embedding_store"), what="the object to be embedded")
    search = "SELECT uri FROM ai.search('objects', 'first')"
    assert db.sql(search) == [(uri,)]
    for granted, shown in [("object_embedding_store", None), ("object", uri)]:
        db.sql(f"GRANT SELECT ON {granted} TO {reader}")
        assert db.sql(search, user=reader) == [(shown,)]
    db.sql(f"REVOKE SELECT ON object, object_embedding_store FROM {reader}; GRANT SELECT ON object_embedding TO {reader}")
    assert db.sql(search, user=reader) == [(uri,)]


def test_nobody_elses_operator_is_taken_for_ours(db, owner):
    """Names of ours mean what they mean, whatever the caller's path is."""
    owner.sql(f"""
        CREATE FUNCTION {owner.name}.never(int, int) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'caught'; END $$;
        CREATE OPERATOR {owner.name}.= (LEFTARG = int, RIGHTARG = int, FUNCTION = {owner.name}.never);
        CREATE FUNCTION {owner.name}.near(public.vector, public.vector) RETURNS float8 LANGUAGE plpgsql
            AS $$ BEGIN RAISE EXCEPTION 'caught'; END $$;
        CREATE OPERATOR {owner.name}.<=> (LEFTARG = public.vector, RIGHTARG = public.vector, FUNCTION = {owner.name}.near);
        CREATE FUNCTION {owner.name}.jsonb_build_object(VARIADIC text[]) RETURNS jsonb LANGUAGE sql RETURN '{{}}'::jsonb
    """)
    with db.connect() as session:
        session.execute(f"SET search_path = {owner.name}, pg_catalog, public")
        assert session.execute(SEARCH, ["id > 0"]).fetchall() == [(1,), (2,)]
        assert session.execute("SELECT count(*) FROM ai.search('rows', 'question')").fetchone() == (2,)
