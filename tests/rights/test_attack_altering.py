"""Altering another model into a vectorizer's place moves tables and views of several roles. One test a threat."""

import psycopg
import pytest
from support import altering, vectorizer
from support.altering import NAME, STORE, VIEW, model, switches
from support.two_roles import alice, mallory, roles  # noqa: F401


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
    document.sql(SWITCH)
    assert document.sql("SELECT DISTINCT note FROM noted") == [("true",)]
    document.sql("DROP VIEW noted")


def test_a_view_is_made_anew_with_no_more_rights_than_its_owner_has(document, stub, reader):
    document.sql(f"CREATE VIEW r.mine AS SELECT id, embedding FROM {VIEW}", user=reader)
    alter(document, stub)
    document.sql(f"REVOKE ALL ON SCHEMA r FROM {reader}; ALTER SCHEMA r OWNER TO postgres")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        document.sql(SWITCH)
    # Nothing has moved.
    assert altering.dimensions(document) == {vectorizer.DIMENSIONS}
    document.sql(f"GRANT USAGE, CREATE ON SCHEMA r TO {reader}")
    document.sql(SWITCH)
    assert document.value("SELECT relowner::regrole::text FROM pg_class WHERE relname = 'mine'") == reader


def test_a_store_that_was_given_away_stops_it(document, stub, reader):
    alter(document, stub)
    document.sql(f"GRANT CREATE ON SCHEMA public TO {reader}; ALTER TABLE {STORE}_new OWNER TO {reader}")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="have different owners"):
        document.sql(SWITCH)
    assert altering.dimensions(document) == {vectorizer.DIMENSIONS}


def test_an_owner_who_may_create_nothing_in_a_schema_renames_nothing_there(db, stub, roles):
    alice = roles("alice")
    alice.declare()
    [(schema, name)] = db.sql("SELECT config #>> '{destination,target_schema}', name FROM ai.vectorizer")
    alice.sql(f"SELECT ai.alter_vectorizer('{name}', embedding => ai.embedding_shortened(v.config -> 'embedding', 4), switch_when_ready => false)"
              f" FROM ai.vectorizer v WHERE v.name = '{name}'")  # fmt: skip
    db.sql(f"ALTER SCHEMA {schema} OWNER TO postgres; GRANT USAGE ON SCHEMA {schema} TO {alice.name}")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="lacks the privilege CREATE on schema"):
        alice.sql(f"SELECT ai.switch_vectorizer('{name}')")


def test_nobody_else_switches_goes_back_or_gives_up(alice, mallory):
    for call in ("alter_vectorizer('of_alice', chunking => ai.chunking_none())", "switch_vectorizer('of_alice')",
                 "revert_vectorizer('of_alice')", "cancel_alteration('of_alice')"):  # fmt: skip
        with pytest.raises(psycopg.errors.UndefinedObject, match="does not exist"):
            mallory.sql(f"SELECT ai.{call}")
    assert mallory.sees("ai.vectorizer_alterations") == {"ai.vectorizer_alterations": 0}

