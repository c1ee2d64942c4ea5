"""What a role that may use pgai does to whoever takes over from it, or goes back, and to the owners of other tables."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from support import egress, vectorizer
from support.pgai import Pgai
from support.stub import Stub
from support.wait import eventually, settles

@pytest.fixture(scope="module")
def pgai():
    return Pgai()


@pytest.fixture
def old(cluster_factory, pgai, stub):
    """A database with pgai, whose vectorizer is Mallory's: she owns its source, its store and its queue."""
    db = cluster_factory(conf=egress.settings(stub.url)).create_database("old")
    pgai.install(db)
    db.sql("""
        CREATE ROLE mallory LOGIN; GRANT USAGE ON SCHEMA ai TO mallory; GRANT CREATE ON SCHEMA public TO mallory;
        CREATE TABLE document (id int PRIMARY KEY, body text)
    """)
    vectorizer.create(db, stub.url)
    for table in ["document", "document_embedding_store", "ai._vectorizer_q_1", "ai._vectorizer_q_failed_1"]:
        db.sql(f"ALTER TABLE {table} OWNER TO mallory")
    db.sql("ALTER VIEW document_embedding OWNER TO mallory; INSERT INTO document VALUES (1, 'a'), (2, 'b')")
    db.sql(
        "CREATE TABLE seen (who text, what text);"
        "CREATE FUNCTION spy(what text) RETURNS timestamptz LANGUAGE plpgsql AS $$"
        " BEGIN INSERT INTO public.seen VALUES (current_user, what); RETURN now(); END $$;"
        "CREATE FUNCTION spy() RETURNS trigger LANGUAGE plpgsql AS $$"
        " BEGIN PERFORM public.spy(TG_TABLE_NAME::text); RETURN COALESCE(NEW, OLD); END $$",
        user="mallory",
    )
    return db


MAKE_ROOM = "ALTER SCHEMA ai RENAME TO pgai; CREATE EXTENSION pgai_rs CASCADE"


def test_what_the_old_queue_makes_run_does_not_run_as_the_administrator(old):
    """A default of hers runs when keys are given back, and what her source's triggers do when they are switched."""
    old.sql("ALTER TABLE ai._vectorizer_q_1 ALTER queued_at SET DEFAULT public.spy('default')", user="mallory")
    old.sql(MAKE_ROOM)
    assert old.sql("SELECT pending FROM ai.migrate_from_pgai()") == [(2,)]
    old.sql("SELECT ai.disable_vectorizer_schedule(1); INSERT INTO document VALUES (3, 'c')")
    old.sql("SELECT * FROM ai.give_back_to_pgai()")
    assert old.sql("SELECT DISTINCT who FROM seen") == [("mallory",)]
    rights = "SELECT has_table_privilege('mallory', 'pgai._vectorizer_q_1', 'SELECT')"
    assert old.value(rights) is True


@pytest.mark.parametrize("what", ["trigger", "rule", "policy"])
def test_an_old_queue_that_is_more_than_a_table_is_refused(old, what):
    old.sql({
        "trigger": "CREATE TRIGGER t BEFORE INSERT OR DELETE ON ai._vectorizer_q_1 FOR EACH ROW EXECUTE FUNCTION spy()",
        "rule": "CREATE RULE r AS ON INSERT TO ai._vectorizer_q_1 DO ALSO SELECT public.spy('rule')",
        "policy": "CREATE POLICY p ON ai._vectorizer_q_1 USING (public.spy('policy') IS NOT NULL);"
        "ALTER TABLE ai._vectorizer_q_1 ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
    }[what], user="mallory")
    old.sql(MAKE_ROOM)
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState) as refusal:
        old.sql("SELECT * FROM ai.migrate_from_pgai()")
    assert f"its pgai._vectorizer_q_1 has a {what}" in refusal.value.diag.message_detail
    assert old.sql("SELECT * FROM seen") == []


def test_a_cast_of_the_old_queues_key_does_not_run(old):
    old.sql("""
        CREATE TYPE number AS (n int);
        CREATE FUNCTION cast_it(number) RETURNS int LANGUAGE plpgsql AS $$
        BEGIN PERFORM public.spy('cast'); RETURN ($1).n; END $$;
        CREATE CAST (number AS int) WITH FUNCTION cast_it(number) AS ASSIGNMENT;
        ALTER TABLE ai._vectorizer_q_1 ALTER id TYPE number USING ROW(id)::number
    """, user="mallory")
    old.sql(MAKE_ROOM)
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState) as refusal:
        old.sql("SELECT * FROM ai.migrate_from_pgai()")
    assert "is missing or has another type than in the source" in refusal.value.diag.message_detail
    assert old.sql("SELECT * FROM seen") == []


def test_a_cast_in_the_old_catalog_does_not_run(old):
    """Its owner need not be the administrator."""
    old.sql("GRANT CREATE ON SCHEMA ai TO mallory; ALTER TABLE ai.vectorizer OWNER TO mallory")
    old.sql("""
        CREATE TYPE called AS (n text);
        CREATE FUNCTION cast_it(called) RETURNS text LANGUAGE plpgsql AS $$
        BEGIN PERFORM public.spy('cast'); RETURN ($1).n; END $$;
        CREATE CAST (called AS text) WITH FUNCTION cast_it(called) AS ASSIGNMENT;
        ALTER TABLE ai.vectorizer ALTER trigger_name TYPE called USING ROW(trigger_name)::called
    """, user="mallory")
    old.sql(MAKE_ROOM)
    with pytest.raises(psycopg.errors.UndefinedTable, match="have other types than in pgai"):
        old.sql("SELECT * FROM ai.migrate_from_pgai()")
    assert old.sql("SELECT * FROM seen") == []


@pytest.mark.parametrize("table", ["vectorizer", "_vectorizer_q_1"])
def test_an_expression_in_the_old_schema_does_not_run_as_the_administrator(old, table):
    """What the statistics of a table are about is evaluated when a query is planned."""
    old.sql(f"GRANT CREATE ON SCHEMA ai TO mallory; ALTER TABLE ai.{table} OWNER TO mallory")
    old.sql(f"""
        CREATE FUNCTION one(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM public.spy('expression'); RETURN 1; END $$;
        CREATE STATISTICS s ON (id + public.one(1)), (id * 2) FROM ai.{table}; TRUNCATE seen
    """, user="mallory")
    old.sql(MAKE_ROOM)
    assert old.sql("SELECT pending FROM ai.migrate_from_pgai()") == [(2,)]
    assert old.sql("SELECT DISTINCT who, what FROM seen") == [("mallory", "expression")]


@pytest.mark.parametrize("table", ["document_embedding_store", "ai._vectorizer_q_1"])
def test_an_entry_of_pgais_catalog_proves_nothing(old, table):
    """Whoever may use pgai may write to its catalog, and name a source of somebody else's beside a store of their own."""
    old.sql("CREATE ROLE victim; ALTER TABLE document OWNER TO victim")
    for other in {"document_embedding_store", "ai._vectorizer_q_1", "ai._vectorizer_q_failed_1"} - {table}:
        old.sql(f"ALTER TABLE {other} OWNER TO victim")
    old.sql("ALTER VIEW document_embedding OWNER TO victim")
    old.sql(MAKE_ROOM)
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState) as refusal:
        old.sql("SELECT * FROM ai.migrate_from_pgai()")
    assert "belongs to mallory, and its source to victim" in refusal.value.diag.message_detail
    assert old.value(f"SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = '{table.split('.')[-1]}'") == "mallory"


@pytest.mark.parametrize("table", ["document_embedding_store", "document_embedding", "ai._vectorizer_q_1", "ai._vectorizer_q_failed_1"])
def test_what_belongs_to_a_member_of_the_sources_owner_is_given_away_by_hand_alone(old, table):
    """A member of a role need not know that others who may act as that role name a table of the member's there."""
    old.sql(f"CREATE ROLE lead LOGIN; GRANT mallory TO lead; ALTER TABLE {table} OWNER TO lead")
    old.sql(MAKE_ROOM)
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState) as refusal:
        old.sql("SELECT * FROM ai.migrate_from_pgai()")
    name = table.replace("ai.", "pgai.") if "." in table else f"public.{table}"
    assert f"its table {name} belongs to lead, and its source to mallory" in refusal.value.diag.message_detail
    assert f"ALTER TABLE {name} OWNER TO mallory" in refusal.value.diag.message_detail
    old.sql(f"ALTER TABLE {name} OWNER TO mallory")
    assert old.sql("SELECT vectorizer_id FROM ai.migrate_from_pgai()") == [(1,)]


@pytest.mark.parametrize("column", ["queue_table", "queue_failed_table"])
def test_going_back_empties_no_table_that_the_catalog_names_since(old, column):
    old.sql("CREATE TABLE accounts (id int, created_at timestamptz, failure_step text); ALTER TABLE accounts OWNER TO mallory")
    old.sql("INSERT INTO accounts VALUES (1)")
    old.sql(MAKE_ROOM)
    old.sql("SELECT * FROM ai.migrate_from_pgai()")
    old.sql(f"UPDATE pgai.vectorizer SET queue_schema = 'public', {column} = 'accounts'")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
        old.sql("SELECT * FROM ai.give_back_to_pgai()")
    assert old.value("SELECT count(*) FROM accounts") == 1


def test_an_id_behind_which_there_is_no_room_is_not_taken_over(old):
    old.sql("UPDATE ai.vectorizer SET id = 2147483647")
    old.sql(MAKE_ROOM)
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState) as refusal:
        old.sql("SELECT * FROM ai.migrate_from_pgai()")
    assert "its id 2147483647 is greater than" in refusal.value.diag.message_detail


SWITCHED = """
    SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'm.document'::regclass AND NOT tgisinternal ORDER BY 1
"""


@pytest.mark.parametrize("what", ["migrate_from_pgai", "give_back_to_pgai"])
def test_no_trigger_is_switched_of_a_table_that_comes_by_the_name_of_another(old, what):
    """Whose schema it is can rename it while a table in it is locked; here, as soon as its name is about to be held."""
    names = [prefix + name for prefix in ("", "pgai") for name in ("_vectorizer_src_trg_1", "_vectorizer_src_trg_1_truncate")]
    old.sql("CREATE SCHEMA m; CREATE SCHEMA other; ALTER TABLE document SET SCHEMA m; GRANT ALL ON SCHEMA m, other TO mallory")
    old.sql("UPDATE ai.vectorizer SET source_schema = 'm'; CREATE TABLE other.document (id int PRIMARY KEY)")
    old.sql("ALTER TABLE other.document OWNER TO mallory")
    for name in names:
        old.sql(f"CREATE TRIGGER {name} AFTER TRUNCATE ON other.document EXECUTE FUNCTION spy()", user="mallory")
    old.sql(MAKE_ROOM)
    if what == "give_back_to_pgai":
        old.sql("SELECT * FROM ai.migrate_from_pgai()")

    with old.connect(autocommit=False) as session, ThreadPoolExecutor() as other:
        # Other sessions can read it, and can hold no name.
        session.execute("LOCK TABLE pg_namespace IN EXCLUSIVE MODE")
        moved = other.submit(old.sql, f"SELECT * FROM ai.{what}()")
        waits = f"SELECT FROM pg_stat_activity WHERE query LIKE '%{what}%' AND pid <> pg_backend_pid() AND wait_event_type = 'Lock'"
        eventually(lambda: old.sql(waits), what="the names to be held")
        session.execute("ALTER SCHEMA m RENAME TO away; ALTER SCHEMA other RENAME TO m")
        session.commit()
        with pytest.raises(psycopg.errors.SerializationFailure, match="m.document was changed concurrently"):
            moved.result()
    assert old.sql(SWITCHED) == [(name, "O") for name in sorted(names)]


def test_what_is_granted_by_taking_over_is_told(old):
    old.sql("CREATE ROLE reader; GRANT SELECT ON ai._vectorizer_q_1 TO reader")
    old.sql(MAKE_ROOM)
    with old.connect() as connection:
        told = []
        connection.add_notice_handler(lambda said: told.append((said.severity, said.message_primary, said.message_hint)))
        connection.execute("SELECT * FROM ai.migrate_from_pgai()")
    said = {message: hint for severity, message, hint in told if severity == "WARNING"}
    name = old.value("SELECT name FROM ai.vectorizer")
    owner = f'granted EXECUTE on ai.embedding_openai to mallory for vectorizer "{name}"'
    assert "REVOKE EXECUTE ON FUNCTION ai.embedding_openai FROM mallory" in said[owner]
    assert "REVOKE USAGE ON SCHEMA ai" in said["granted USAGE on schema ai to the roles that have it on pgai's: mallory"]
    reads = f'granted reader SELECT on the queue of vectorizer "{name}", as on pgai\'s'
    assert "FROM reader" in said[reads]
    # The source and the store are the same as before, and so are the rights on them.
    rights = "SELECT has_table_privilege('reader', %s, %s)"
    allowed = [old.value(rights, [table, right]) for table, right in [
        ("ai._vectorizer_q_1", "SELECT"), ("ai._vectorizer_work_1", "SELECT"), ("ai._vectorizer_q_1", "INSERT"),
        ("document", "SELECT"), ("document_embedding", "SELECT"), ("document_embedding_store", "SELECT"), ("document_embedding_store", "INSERT"),
    ]]  # fmt: skip
    assert allowed == [True, True, False, False, False, False, False]


def test_an_entry_of_pgais_catalog_names_no_other_trigger(old):
    """One of her source's own, which would be switched off."""
    old.sql("CREATE TRIGGER audit AFTER INSERT ON document FOR EACH ROW EXECUTE FUNCTION spy()", user="mallory")
    old.sql("UPDATE ai.vectorizer SET trigger_name = 'audit'")
    old.sql(MAKE_ROOM)
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState) as refusal:
        old.sql("SELECT * FROM ai.migrate_from_pgai()")
    assert "trigger audit of its source public.document, which fills the queue ai._vectorizer_q_1, does not exist" in refusal.value.diag.message_detail
    assert old.sql("SELECT tgenabled FROM pg_trigger WHERE tgname = 'audit'") == [("O",)]


def test_an_entry_of_pgais_catalog_names_no_other_queue(old, stub):
    """Whose readers may not search this table."""
    old.sql("CREATE TABLE gossip (id int PRIMARY KEY, body text)")
    vectorizer.create(old, stub.url, "gossip")
    for table in ["gossip", "gossip_embedding_store", "gossip_embedding", "ai._vectorizer_q_2", "ai._vectorizer_q_failed_2"]:
        old.sql(f"ALTER TABLE {table} OWNER TO mallory")
    old.sql("""
        CREATE ROLE reader; GRANT SELECT ON ai._vectorizer_q_2 TO reader;
        UPDATE ai.vectorizer SET queue_table = '_vectorizer_q_' || 3 - id
    """)
    old.sql(MAKE_ROOM)
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState) as refusal:
        old.sql("SELECT * FROM ai.migrate_from_pgai()")
    for words in (
        "trigger _vectorizer_src_trg_1 of its source public.document, which fills the queue ai._vectorizer_q_2, does not exist",
        "trigger _vectorizer_src_trg_2 of its source public.gossip, which fills the queue ai._vectorizer_q_1, does not exist",
    ):
        assert words in refusal.value.diag.message_detail
    assert old.value("SELECT has_table_privilege('reader', 'document_embedding_store', 'SELECT')") is False


def test_a_function_that_says_it_fills_the_queue_proves_nothing(old):
    """Of somebody's who may put triggers on the source, and may not act as its owner."""
    old.sql("""
        CREATE ROLE victim; ALTER TABLE document OWNER TO victim; GRANT TRIGGER ON document TO mallory;
        DROP TRIGGER _vectorizer_src_trg_1 ON document
    """)
    for table in ("document_embedding_store", "document_embedding", "ai._vectorizer_q_1", "ai._vectorizer_q_failed_1"):
        old.sql(f"ALTER TABLE {table} OWNER TO victim")
    old.sql("""
        CREATE FUNCTION fills() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RETURN NULL; insert into ai._vectorizer_q_1 (id) VALUES (1); END $$;
        CREATE TRIGGER _vectorizer_src_trg_1 AFTER INSERT ON document FOR EACH ROW EXECUTE FUNCTION fills()
    """, user="mallory")
    old.sql(MAKE_ROOM)
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState) as refusal:
        old.sql("SELECT * FROM ai.migrate_from_pgai()")
    assert "trigger _vectorizer_src_trg_1 of its source" in refusal.value.diag.message_detail


# What is a superuser's in a database where others may write to pgai's catalog


@pytest.fixture
def house(cluster_factory, pgai, stub):
    """A database of a superuser's with pgai, of which Mallory may declare vectorizers as pgai grants it."""
    db = cluster_factory(conf=egress.settings(stub.url)).create_database("house")
    pgai.install(db)
    db.sql("CREATE ROLE mallory LOGIN; CREATE TABLE document (id int PRIMARY KEY, body text)")
    db.sql("INSERT INTO document VALUES (1, 'secret')")
    db.sql("SELECT ai.grant_vectorizer_usage('mallory')")
    return db


def migrated(db) -> list[tuple]:
    """Takes the database over. Answers the warnings about configs."""
    db.sql(MAKE_ROOM)
    with db.connect() as connection:
        told = []
        connection.add_notice_handler(lambda said: told.append((said.message_primary, said.message_detail, said.message_hint)))
        connection.execute("SELECT * FROM ai.migrate_from_pgai()")
    return [(message, detail, hint) for message, detail, hint in told if "does not allow" in message]


@pytest.fixture
def evil():
    server = Stub()
    yield server
    server.close()


def test_what_others_may_have_written_into_pgais_catalog_is_no_superusers_word(house, stub, evil):
    """Neither rows nor a key go where the administrator's lists let nobody send them."""
    vectorizer.create(house, stub.url)
    house.sql(f"""
        UPDATE ai.vectorizer SET config = jsonb_set(config, '{{embedding,base_url}}', '"{evil.url}"')
    """, user="mallory")
    [(message, detail, hint)] = migrated(house)
    assert message == 'this server does not allow what the config of vectorizer "public_document_embedding_store" says'
    assert evil.url in detail and "OPENAI_API_KEY" in detail and "mallory" in detail
    assert "pgai_rs.allowed_base_urls" in hint and "UPDATE ai.vectorizer SET for_superuser = true WHERE id = 1" in hint
    assert house.sql("SELECT for_superuser FROM ai.vectorizer") == [(False,)]
    settles(lambda: house.sql("SELECT state FROM ai.vectorizer_health"), [("not_served",)])
    assert evil.requests == []

    # A superuser who has read it may answer for it.
    house.sql("UPDATE ai.vectorizer SET for_superuser = true WHERE id = 1")
    vectorizer.in_step(house, ["id"])
    assert evil.embedded["secret"] == 1


def test_what_the_lists_allow_is_taken_over_without_a_word(house, stub):
    vectorizer.create(house, stub.url)
    assert migrated(house) == []
    assert house.sql("SELECT for_superuser FROM ai.vectorizer") == [(False,)]
    vectorizer.in_step(house, ["id"])
    assert stub.embedded["secret"] == 1


WRITERS = {
    "a column": ("GRANT UPDATE (config) ON ai.vectorizer TO mallory", "mallory"),
    "a trigger": ("GRANT TRIGGER ON ai.vectorizer TO mallory", "mallory"),
    "by membership alone": ("CREATE ROLE writers; GRANT INSERT ON ai.vectorizer TO writers; ALTER ROLE mallory NOINHERIT;"
                            "GRANT writers TO mallory", "mallory, writers"),
    "everybody": ("GRANT UPDATE ON ai.vectorizer TO PUBLIC", "mallory"),
    "all data": ("GRANT pg_write_all_data TO mallory", "mallory"),
    "nobody": ("SELECT 1", None),
}


@pytest.mark.parametrize("how", WRITERS)
def test_who_may_write_to_pgais_catalog_is_found(house, stub, evil, how):
    house.sql("REVOKE ALL ON ALL TABLES IN SCHEMA ai FROM mallory")
    vectorizer.create(house, evil.url)
    grant, who = WRITERS[how]
    house.sql(grant)
    told = migrated(house)
    assert house.sql("SELECT for_superuser FROM ai.vectorizer") == [(who is None,)]
    assert [who for _, detail, _ in told if f"may write to pgai's catalog: {who}." in detail] == ([who] if who else [])
