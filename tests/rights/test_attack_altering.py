"""Altering another model into a vectorizer's place moves tables and views of several roles. One test a threat."""

import psycopg
import pytest
from support import altering, vectorizer
from support.altering import NAME, STORE, VIEW, model, switches
from support.two_roles import alice, mallory, roles  # noqa: F401
from support.wait import settles


@pytest.fixture
def document(db, stub):
    return altering.document(db, stub)


@pytest.fixture
def reader(document):
    """A role that may read the store and has a schema of its own."""
    role = f"reader_{document.name}"
    document.sql(f"CREATE ROLE {role} LOGIN; CREATE SCHEMA r AUTHORIZATION {role}; GRANT SELECT ON {STORE}, {VIEW} TO {role}")
    yield role
    document.sql(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


def alter(db, stub, **arguments) -> None:
    altering.alter(db, embedding=model(stub.url, 12), switch_when_ready="false", **arguments)
    vectorizer.idle(db)


SWITCH = f"SELECT ai.switch_vectorizer('{NAME}')"


def test_names_that_are_taken_in_advance_are_in_nobodys_way(document, stub, reader):
    document.sql(f"GRANT CREATE ON SCHEMA public TO {reader}")
    for name in (f"{STORE}_new", f"{VIEW}_new", f"{STORE}_old", f"{VIEW}_old"):
        document.sql(f"CREATE TABLE {name} (mine int)", user=reader)
    altering.alter(document, embedding=model(stub.url, 12))
    switches(document)
    vectorizer.in_step(document, ["id"], dimensions=12)
    assert document.value(f"SELECT count(*) FROM pg_class WHERE relowner = '{reader}'::regrole AND relkind = 'r'") == 4
    document.sql("SELECT ai.drop_vectorizer(other_id, drop_all => true) FROM ai._vectorizer_alteration")
    assert document.value(f"SELECT count(*) FROM pg_class WHERE relowner = '{reader}'::regrole AND relkind = 'r'") == 4


def test_a_view_means_what_it_meant_whatever_schemas_are_called_meanwhile(document, stub, reader):
    """The owner of a schema renames it and puts another table in its place while another's view is defined anew."""
    document.sql("CREATE TABLE r.secret (id int, note text); INSERT INTO r.secret VALUES (1, 'true')")
    document.sql(f"CREATE VIEW noted AS SELECT s.id, n.note FROM {STORE} s JOIN r.secret n USING (id)")
    alter(document, stub)
    document.sql(f"GRANT CREATE ON DATABASE {document.name} TO {reader}")
    with document.connect(user=reader, autocommit=False) as session:
        session.execute("ALTER SCHEMA r RENAME TO away")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            document.sql(SWITCH)
        session.commit()
    document.sql(f"CREATE SCHEMA r AUTHORIZATION {reader}")
    document.sql("CREATE TABLE r.secret (id int, note text); INSERT INTO r.secret VALUES (1, 'planted')", user=reader)
    altering.switch(document)
    assert document.sql("SELECT DISTINCT note FROM noted") == [("true",)]
    document.sql("DROP VIEW noted")


def test_a_view_is_made_anew_with_no_more_rights_than_its_owner_has(document, stub, reader):
    document.sql(f"CREATE VIEW r.mine AS SELECT id, embedding FROM {VIEW}", user=reader)
    alter(document, stub)
    document.sql(f"REVOKE ALL ON SCHEMA r FROM {reader}; ALTER SCHEMA r OWNER TO postgres")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        altering.switch(document)
    # Nothing has moved.
    assert altering.dimensions(document) == {vectorizer.DIMENSIONS}
    document.sql(f"GRANT USAGE, CREATE ON SCHEMA r TO {reader}")
    altering.switch(document)
    assert document.value("SELECT relowner::regrole::text FROM pg_class WHERE relname = 'mine'") == reader


def test_a_store_that_was_given_away_stops_it(document, stub, reader):
    alter(document, stub)
    document.sql(f"GRANT CREATE ON SCHEMA public TO {reader}; ALTER TABLE {STORE}_new OWNER TO {reader}")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="have different owners"):
        altering.switch(document)
    assert altering.dimensions(document) == {vectorizer.DIMENSIONS}


def test_an_owner_who_may_create_nothing_in_a_schema_renames_nothing_there(db, stub, roles):
    alice = roles("alice")
    alice.declare()
    [(schema, name)] = db.sql("SELECT config #>> '{destination,target_schema}', name FROM ai.vectorizer")
    alice.sql(f"SELECT ai.alter_vectorizer('{name}', embedding => ai.embedding_shortened(v.config -> 'embedding', 4), switch_when_ready => false)"
              f" FROM ai.vectorizer v WHERE v.name = '{name}'")  # fmt: skip
    db.sql(f"ALTER SCHEMA {schema} OWNER TO postgres; GRANT USAGE ON SCHEMA {schema} TO {alice.name}")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="lacks the privilege CREATE on schema"):
        altering.switch(db, name, user=alice.name)


def test_nobody_else_switches_goes_back_or_gives_up(alice, mallory):
    for call in ("alter_vectorizer('of_alice', chunking => ai.chunking_none())", "switch_vectorizer('of_alice')",
                 "revert_vectorizer('of_alice')", "cancel_alteration('of_alice')"):  # fmt: skip
        with pytest.raises(psycopg.errors.UndefinedObject, match="does not exist"):
            mallory.sql(f"SELECT ai.{call}")
    assert mallory.sees("ai.vectorizer_alterations") == {"ai.vectorizer_alterations": 0}



@pytest.fixture
def stranger(document):
    """A role that may read nothing of the vectorizer, but names it in views of its own."""
    role = f"stranger_{document.name}"
    document.sql(f"CREATE ROLE {role} LOGIN; CREATE SCHEMA s AUTHORIZATION {role}")
    yield role
    document.sql(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


CYCLE = f"""
    CREATE VIEW s.a AS SELECT embedding_uuid FROM public.{STORE};
    CREATE VIEW s.b AS SELECT * FROM s.a;
    CREATE OR REPLACE VIEW s.a AS SELECT s.embedding_uuid FROM public.{STORE} s, s.b
"""


@pytest.mark.parametrize("planted", [
    CYCLE,
    f"CREATE MATERIALIZED VIEW s.x AS SELECT 1 AS one FROM public.{STORE} WITH NO DATA",
    f"CREATE VIEW s.x AS SELECT embedding FROM public.{VIEW}",
    f"CREATE FUNCTION s.x() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM public.{STORE}; END",
    f"CREATE FUNCTION s.x(public.{STORE}) RETURNS int LANGUAGE sql AS 'SELECT 1'",
    f"CREATE TABLE s.x (y public.{STORE})",
    f"CREATE TABLE s.x (); CREATE POLICY p ON s.x USING (EXISTS (SELECT FROM public.{STORE}))",
    f"""CREATE FUNCTION s.x(public.{STORE}, int) RETURNS bool LANGUAGE sql AS 'SELECT true';
        CREATE OPERATOR s.=== (LEFTARG = public.{STORE}, RIGHTARG = int, FUNCTION = s.x)""",
    f"""CREATE TYPE s.y AS (z int); CREATE FUNCTION s.x(public.{STORE}) RETURNS s.y LANGUAGE sql AS 'SELECT NULL::s.y';
        CREATE CAST (public.{STORE} AS s.y) WITH FUNCTION s.x(public.{STORE})""",
])  # fmt: skip
@pytest.mark.parametrize("numbers", [vectorizer.DIMENSIONS, 12])
def test_what_a_stranger_makes_of_the_store_is_in_nobodys_way(document, stub, stranger, planted, numbers):
    document.sql(planted, user=stranger)
    altering.alter(document, embedding=model(stub.url, numbers), keep_old="'0'")
    settles(lambda: document.value("SELECT count(*) FROM ai.vectorizer_alterations"), 0)
    vectorizer.in_step(document, ["id"], dimensions=numbers)
    assert document.value("SELECT count(*) FROM ai.vectorizer") == 1


# Each names more columns than a million others would.
WIDE = "CREATE TABLE s.wide (" + ", ".join(f"c{i} int" for i in range(1600)) + ")"


def test_views_of_a_stranger_that_do_not_read_the_store_are_not_looked_at(document, stub, stranger):
    """To look at them all takes the worker, or whoever holds the source, minutes."""
    document.sql(f"{WIDE}; REVOKE SELECT ON s.wide FROM {stranger}", user=stranger)
    document.sql("DO $$ BEGIN FOR i IN 1..60 LOOP EXECUTE format('CREATE VIEW s.v%s AS SELECT * FROM s.wide', i); END LOOP; END $$", user=stranger)
    document.sql(f"SET statement_timeout = '5s'; SELECT ai.alter_vectorizer('{NAME}', embedding => {model(stub.url, 12)})")
    switches(document)


def test_whoever_locks_what_a_view_names_is_not_waited_for(document, stub, reader):
    """The definition of a view can't be told meanwhile, and the source is held against writes."""
    document.sql(f"CREATE TABLE r.locked (); CREATE VIEW r.mine AS SELECT embedding_uuid FROM public.{STORE}, r.locked", user=reader)
    with document.connect(user=reader, autocommit=False) as session:
        session.execute("LOCK TABLE r.locked IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            document.sql(f"SET statement_timeout = '30s'; SELECT ai.alter_vectorizer('{NAME}', embedding => {model(stub.url, 12)})")
        session.rollback()
    altering.alter(document, embedding=model(stub.url, 12))


def test_a_view_on_what_is_built_does_not_keep_it_from_being_given_up(document, stub, stranger):
    alter(document, stub)
    document.sql(f"CREATE VIEW s.x AS SELECT embedding_uuid FROM public.{STORE}_new", user=stranger)
    document.sql(f"SELECT ai.cancel_alteration('{NAME}')")
    assert document.value("SELECT count(*) FROM ai.vectorizer") == 1


def test_a_view_on_what_is_built_is_in_nobodys_way(document, stub, stranger):
    alter(document, stub)
    document.sql(f"CREATE VIEW s.x AS SELECT embedding_uuid FROM public.{VIEW}_new", user=stranger)
    altering.switch(document)
    vectorizer.in_step(document, ["id"], dimensions=12)


def test_the_owner_of_a_store_gains_nothing_by_the_views_of_others(document, stub, reader):
    """A column gets a type of the owner's, with a cast that a view of a superuser would use."""
    document.sql(f"CREATE VIEW watched AS SELECT id FROM {STORE} WHERE chunk = 'x'")
    altering.alter(document, embedding=model(stub.url), switch_when_ready="false")
    vectorizer.idle(document)
    document.sql(f"""
        DROP VIEW {VIEW}_new;
        CREATE TYPE mine AS (x text);
        CREATE FUNCTION evil(mine) RETURNS text LANGUAGE sql AS 'SELECT ''x''';
        CREATE CAST (mine AS text) WITH FUNCTION evil AS IMPLICIT;
        ALTER TABLE {STORE}_new ALTER chunk TYPE mine USING row(chunk)::mine
    """)
    with pytest.raises(psycopg.errors.InvalidTableDefinition, match="column chunk differs"):
        altering.switch(document)
    document.sql("SELECT ai.drop_vectorizer(other_id) FROM ai._vectorizer_alteration; DROP VIEW watched")


def test_a_function_that_fits_better_by_now_is_not_called(document, stub, reader):
    document.sql(f"""
        CREATE SCHEMA f; GRANT CREATE, USAGE ON SCHEMA f TO {reader};
        CREATE FUNCTION f.shown(anyelement) RETURNS text LANGUAGE sql AS 'SELECT ''theirs''';
        CREATE VIEW watched AS SELECT id, f.shown(id) AS shown FROM {STORE}
    """)
    alter(document, stub)
    document.sql("CREATE FUNCTION f.shown(int) RETURNS text LANGUAGE sql AS 'SELECT ''planted'''", user=reader)
    with pytest.raises(psycopg.errors.InvalidTableDefinition, match="would use other functions"):
        altering.switch(document)
    document.sql("DROP FUNCTION f.shown(int)", user=reader)
    altering.switch(document)
    assert document.sql("SELECT DISTINCT shown FROM watched") == [("theirs",)]
    document.sql("DROP VIEW watched; DROP SCHEMA f CASCADE")


def test_names_that_are_just_being_taken_are_in_nobodys_way(document, stub, reader):
    document.sql(f"GRANT CREATE ON SCHEMA public TO {reader}")
    alter(document, stub)
    with document.connect(user=reader, autocommit=False) as session:
        session.execute(f"CREATE TABLE {STORE}_old (mine int)")
        altering.switch(document)
    vectorizer.in_step(document, ["id"], dimensions=12)


def readable(db, role: str) -> list[str]:
    """The tables and views of vectorizers that a role may read."""
    return [name for [name] in db.sql(
        f"""SELECT relname FROM pg_class
            WHERE relname ~ '^(document_embedding|_vectorizer)' AND has_table_privilege('{role}', oid, 'SELECT')
              AND relkind IN ('r', 'v') AND relnamespace <> 'ai'::regnamespace
            ORDER BY 1"""
    )]


@pytest.mark.parametrize("search", ["ai.search_none()", "ai.search_hybrid()"])
def test_rights_that_were_taken_away_do_not_come_back(document, stub, reader, search):
    document.sql(f"ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {reader}; REVOKE ALL ON {STORE}, {VIEW} FROM {reader}")
    try:
        alter(document, stub, search=search)
        assert readable(document, reader) == []
        altering.switch(document)
        assert readable(document, reader) == []
    finally:
        document.sql(f"ALTER DEFAULT PRIVILEGES REVOKE SELECT ON TABLES FROM {reader}")


def test_a_right_that_is_taken_back_is_left_on_nothing(document, stub, reader):
    alter(document, stub, search="ai.search_hybrid()")
    assert readable(document, reader) == [VIEW, STORE]
    altering.switch(document)
    assert readable(document, reader) == [VIEW, STORE, f"{STORE}_words"]
    document.sql(f"REVOKE SELECT ON {VIEW}, {STORE} FROM {reader}")
    assert readable(document, reader) == []
    document.sql(f"GRANT SELECT ON {STORE} TO {reader}")
    altering.switch(document, step="revert_vectorizer")
    assert readable(document, reader) == [STORE]


def test_a_right_that_was_passed_on_ends_with_the_right_of_who_did_so(document, stub, reader, stranger):
    document.sql(f"GRANT SELECT ON {STORE} TO {reader} WITH GRANT OPTION")
    document.sql(f"GRANT SELECT ON public.{STORE} TO {stranger}", user=reader)
    alter(document, stub)
    altering.switch(document)
    assert readable(document, stranger) == [STORE]
    document.sql(f"REVOKE SELECT ON {STORE} FROM {reader} CASCADE")
    assert readable(document, stranger) == []


def test_a_policy_of_the_store_is_not_lost(document, stub, reader):
    document.sql(f"ALTER TABLE {STORE} ENABLE ROW LEVEL SECURITY; CREATE POLICY few ON {STORE} USING (id < 3)")
    with pytest.raises(psycopg.errors.DependentObjectsStillExist, match="row security of its own"):
        altering.alter(document, embedding=model(stub.url, 12))


@pytest.mark.parametrize("policy", [
    f"ALTER POLICY _vectorizer_source_rows ON {STORE} USING (id < 3)",
    f"""CREATE TABLE released (id int);
        ALTER POLICY _vectorizer_source_rows ON {STORE}
        USING (EXISTS (SELECT FROM released source_row WHERE source_row.id = {STORE}.id))""",
    f"CREATE POLICY few ON {STORE}_words AS RESTRICTIVE USING (words <> '')",
])  # fmt: skip
def test_a_policy_that_differs_is_not_lost(db, stub, policy):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, title text, body text)")
    db.sql("ALTER TABLE document ENABLE ROW LEVEL SECURITY; CREATE POLICY few ON document USING (id <= 3)")
    vectorizer.create(db, stub.url, search="ai.search_hybrid()")
    db.sql(policy)
    with pytest.raises(psycopg.errors.DependentObjectsStillExist, match="row security of its own"):
        altering.alter(db, embedding=model(stub.url, 12))


def test_the_administrators_lists_bind_what_was_declared_under_them(db, stub, roles):
    alice = roles("alice")
    alice.declare()
    db.sql(f"REASSIGN OWNED BY {alice.name} TO postgres")
    db.sql("SELECT ai.alter_vectorizer('of_alice', embedding => ai.embedding_openai('other', 8), switch_when_ready => false)")
    assert db.sql("SELECT for_superuser FROM ai.vectorizer") == [(False,), (False,)]
    altering.switch(db, "of_alice")
    assert db.sql("SELECT for_superuser FROM ai.vectorizer") == [(False,), (False,)]
    db.sql("SELECT ai.drop_vectorizer('of_alice', drop_all => true)")
