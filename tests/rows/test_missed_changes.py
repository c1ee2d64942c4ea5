"""Changes that the triggers do not see, or can't do anything about: no user's statement fails for it, and the
health says since when something may be missing, until it is mended."""

import psycopg
import pytest
from support import vectorizer
from support.cluster import Database
from support.wait import eventually, settles

TABLE = "CREATE TABLE document (id int PRIMARY KEY, body text)"
PARTITIONED = """
    CREATE TABLE document (id int PRIMARY KEY, body text) PARTITION BY RANGE (id);
    CREATE TABLE document_low PARTITION OF document FOR VALUES FROM (0) TO (100);
    CREATE TABLE document_high PARTITION OF document FOR VALUES FROM (100) TO (200);
"""
STORE = "document_embedding_store"
RESYNC = "SELECT ai.resync('public_document_embedding_store', all_rows => true);"
WRITES = ("INSERT INTO document VALUES (3, 'new')", "UPDATE document SET body = 'changed' WHERE id = 1",
          "DELETE FROM document WHERE id = 2")


@pytest.fixture(params=[TABLE, PARTITIONED], ids=["plain", "partitioned"])
def document(request, db, stub):
    db.sql(request.param)
    vectorizer.create(db, stub.url)
    db.sql("INSERT INTO document VALUES (1, 'a|b'), (2, 'c')")
    vectorizer.in_step(db, ["id"])
    return db


@pytest.fixture
def plain(db, stub):
    db.sql(TABLE)
    vectorizer.create(db, stub.url)
    db.sql("INSERT INTO document VALUES (1, 'a|b'), (2, 'c')")
    vectorizer.in_step(db, ["id"])
    return db


def told(connection, statement: str) -> list[str]:
    """What a statement warns of."""
    notices = []
    handler = lambda notice: notices.append((notice.severity, notice.message_primary))  # noqa: E731
    connection.add_notice_handler(handler)
    connection.execute(statement)
    connection.remove_notice_handler(handler)
    return [message for severity, message in notices if severity == "WARNING"]


def state(db) -> tuple:
    [found] = db.sql("SELECT state, reason, hint, since FROM ai.vectorizer_health")
    return found


def mended(db) -> None:
    """All rows are in step again, and the health says so, once it was asked for."""
    eventually(lambda: state(db)[0] == "out_of_step", what="the health to say what is missing")
    assert state(db)[2].endswith(RESYNC) and state(db)[3] is not None
    db.sql("SELECT ai.resync(1)")
    vectorizer.idle(db)
    vectorizer.comes_to(db, "out_of_step")
    db.sql("SELECT ai.resync(1, all_rows => true)")
    vectorizer.in_step(db, ["id"])
    vectorizer.comes_to(db, "idle")


# What fails in the trigger

BROKEN = [
    # What somebody made of the vectorizer's tables, and how it is undone.
    ("ALTER TABLE ai._vectorizer_q_1 ADD CHECK (id < 0) NOT VALID", "ALTER TABLE ai._vectorizer_q_1 DROP CONSTRAINT _vectorizer_q_1_id_check"),
    ("ALTER TABLE ai._vectorizer_q_1 ADD COLUMN must text NOT NULL", "ALTER TABLE ai._vectorizer_q_1 DROP COLUMN must"),
    (
        f"""CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''not this one''; END';
            CREATE TRIGGER refuse BEFORE DELETE ON {STORE} FOR EACH ROW EXECUTE FUNCTION refuse();
            ALTER TABLE ai._vectorizer_q_1 ADD CHECK (id < 0) NOT VALID""",
        f"DROP TRIGGER refuse ON {STORE}; ALTER TABLE ai._vectorizer_q_1 DROP CONSTRAINT _vectorizer_q_1_id_check",
    ),
    (
        """CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''not this one''; END';
           CREATE TRIGGER refuse BEFORE INSERT ON ai._vectorizer_q_1 FOR EACH ROW EXECUTE FUNCTION refuse()""",
        "DROP TRIGGER refuse ON ai._vectorizer_q_1",
    ),
]


@pytest.mark.parametrize("broken, whole", BROKEN, ids=range(len(BROKEN)))
def test_what_fails_in_the_trigger_fails_no_statement(document, broken, whole):
    """The user's rows are written."""
    document.sql(broken)
    with document.connect(autocommit=False) as session:
        assert len(told(session, "; ".join(WRITES))) >= 1
        session.commit()
        assert session.execute("SELECT id, body FROM document ORDER BY id").fetchall() == [(1, "changed"), (3, "new")]
    document.sql(whole)
    mended(document)


def test_what_is_undone_was_not_missed(plain):
    """What was written down goes with the change that it is about, and comes again with the next."""
    plain.sql("ALTER TABLE ai._vectorizer_q_1 ADD CHECK (id < 0) NOT VALID")
    with plain.connect(autocommit=False) as session:
        session.execute("SAVEPOINT s")
        session.execute("INSERT INTO document VALUES (4, 'undone')")
        session.execute("ROLLBACK TO s")
        session.execute("INSERT INTO document VALUES (5, 'stays')")
        session.commit()
    with plain.connect(autocommit=False) as session:
        session.execute("INSERT INTO document VALUES (6, 'undone')")
        session.rollback()
    plain.sql("ALTER TABLE ai._vectorizer_q_1 DROP CONSTRAINT _vectorizer_q_1_id_check")
    assert plain.value("SELECT count(*) FROM ai._vectorizer_missed") == 1
    mended(plain)


def test_a_transaction_is_warned_once_by_each_trigger(document):
    document.sql("ALTER TABLE ai._vectorizer_q_1 ADD CHECK (id < 0) NOT VALID")
    with document.connect(autocommit=False) as session:
        statement = "INSERT INTO document SELECT i, 'x' FROM generate_series(10, 60) i"
        assert len(told(session, statement)) == 1
        assert told(session, statement.replace("10, 60", "61, 90")) == []
        session.commit()


def test_what_others_define_meanwhile_brings_no_second_warning(document):
    document.sql("ALTER TABLE ai._vectorizer_q_1 ADD CHECK (id < 0) NOT VALID")
    with document.connect(autocommit=False) as session:
        assert len(told(session, "INSERT INTO document VALUES (10, 'x')")) == 1
        document.sql("CREATE TABLE other (id int); DROP TABLE other")
        assert told(session, "INSERT INTO document VALUES (11, 'x')") == []
        session.commit()


def test_what_is_written_after_a_resync_in_the_same_transaction_is_followed(document):
    """The record of what was missed is gone by then, so that nothing else would say so."""
    document.sql("""
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF current_setting('my.refuse', true) = 'yes' THEN RAISE EXCEPTION 'not this one'; END IF;
                RETURN NEW;
            END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON ai._vectorizer_q_1 FOR EACH ROW EXECUTE FUNCTION refuse()""")
    with document.connect(autocommit=False) as session:
        session.execute("SET LOCAL my.refuse = 'yes'")
        assert len(told(session, "INSERT INTO document VALUES (10, 'x')")) == 1
        session.execute("SET LOCAL my.refuse = 'no'; SELECT ai.resync(1, all_rows => true)")
        session.execute("INSERT INTO document VALUES (11, 'x')")
        session.commit()
    vectorizer.in_step(document, ["id"])


def test_truncate_under_a_reference_to_the_store(plain):
    """Postgres refuses to truncate the store; the rows are the user's to truncate."""
    plain.sql(f"CREATE TABLE favourite (chunk uuid REFERENCES {STORE} (embedding_uuid))")
    with plain.connect() as session:
        [warning] = told(session, "TRUNCATE document")
        assert "foreign key" in warning
    mended(plain)


def test_what_is_the_databases_ends_the_statement(plain):
    """A time-out, and what is to be run again, are the user's to know of."""
    plain.sql("ALTER TABLE ai._vectorizer_q_1 ADD COLUMN more text")
    with plain.connect(autocommit=False) as holder:
        holder.execute("LOCK TABLE ai._vectorizer_q_1 IN ACCESS EXCLUSIVE MODE")
        for setting, error in (("statement_timeout", psycopg.errors.QueryCanceled), ("lock_timeout", psycopg.errors.LockNotAvailable)):
            with pytest.raises(error):
                plain.sql(f"SET {setting} = '200ms'; INSERT INTO document VALUES (4, 'x')")
    assert plain.sql("SELECT * FROM ai._vectorizer_missed") == []


def test_what_was_missed_is_written_down_once(cluster_factory, stub):
    cluster = cluster_factory(conf={"pgai_rs.heartbeat_interval": "1s", "pgai_rs.poll_interval": "200ms"})
    db = cluster.create_database("missed")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    db.sql(TABLE)
    vectorizer.create(db, stub.url)
    db.sql("ALTER TABLE ai._vectorizer_q_1 ADD CHECK (id < 0) NOT VALID")
    for number in range(20):
        db.sql("INSERT INTO document VALUES (%s, 'x')", [number])
    oldest = db.value("SELECT min(since) FROM ai._vectorizer_missed")
    settles(lambda: db.sql("SELECT since FROM ai._vectorizer_missed"), [(oldest,)], what="one row to be left")


# Disabled triggers


@pytest.mark.parametrize(
    "off, on",
    [
        ("ALTER TABLE document DISABLE TRIGGER ALL", "ALTER TABLE document ENABLE TRIGGER ALL"),
        ("ALTER TABLE document DISABLE TRIGGER USER", "ALTER TABLE document ENABLE TRIGGER USER"),
        ("ALTER TABLE document DISABLE TRIGGER _vectorizer_src_trg_1", "ALTER TABLE document ENABLE TRIGGER _vectorizer_src_trg_1"),
    ],
)
def test_disabled_triggers_are_told(document, off, on):
    document.sql(off)
    word, reason, hint, since = state(document)
    assert word == "out_of_step" and "document" in reason and "INSERT" in reason and "ENABLE TRIGGER" in hint
    assert since is not None
    for statement in WRITES:
        document.sql(statement)
    document.sql(on)
    mended(document)


def test_triggers_that_are_disabled_within_one_transaction_are_told(plain):
    """As a restore with --disable-triggers does."""
    plain.sql("BEGIN; ALTER TABLE document DISABLE TRIGGER ALL; INSERT INTO document VALUES (3, 'x');"
              " ALTER TABLE document ENABLE TRIGGER ALL; COMMIT")
    mended(plain)


def test_triggers_that_are_disabled_and_enabled_by_a_transaction_that_fails_are_not(plain):
    plain.sql("BEGIN; ALTER TABLE document DISABLE TRIGGER ALL; ROLLBACK")
    vectorizer.comes_to(plain, "idle")


def test_disabled_triggers_of_one_partition_are_told(db, stub):
    db.sql(PARTITIONED)
    vectorizer.create(db, stub.url)
    db.sql("INSERT INTO document VALUES (1, 'a|b'), (2, 'c'), (101, 'd')")
    vectorizer.in_step(db, ["id"])
    db.sql("ALTER TABLE document_high DISABLE TRIGGER USER; DELETE FROM document WHERE id = 101")
    assert state(db)[0] == "out_of_step" and "document_high" in state(db)[1]
    db.sql("ALTER TABLE document_high ENABLE TRIGGER USER")
    mended(db)


def test_a_trigger_that_was_dropped_is_told(plain):
    plain.sql("DROP TRIGGER _vectorizer_src_trg_1_delete ON document")
    word, reason, hint, _ = state(plain)
    assert (word, "DELETE" in reason, "create it again" in hint) == ("out_of_step", True, True)


def test_other_triggers_are_nobodys_business(plain):
    plain.sql("""CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
                 CREATE TRIGGER mine AFTER INSERT ON document EXECUTE FUNCTION nothing();
                 ALTER TABLE document DISABLE TRIGGER mine; ALTER TABLE document ENABLE ALWAYS TRIGGER mine""")
    vectorizer.comes_to(plain, "idle")
    assert plain.sql("SELECT * FROM ai._vectorizer_missed") == []


def test_what_a_dump_says_was_missed_stays_so(plain, cluster):
    plain.sql("ALTER TABLE document DISABLE TRIGGER ALL; INSERT INTO document VALUES (3, 'x');"
              " ALTER TABLE document ENABLE TRIGGER ALL")
    dump = cluster.run("pg_dump", "--dbname", plain.name)
    restored = cluster.create_database(f"{plain.name}_restored")
    try:
        cluster.run("psql", "--dbname", restored.name, "--quiet", "--set=ON_ERROR_STOP=1", input=dump)
        eventually(lambda: state(restored)[0] == "out_of_step", what="the copy's health to say so")
    finally:
        restored.drop()


# Tables that a crash empties


@pytest.fixture
def crashing(cluster_factory, stub):
    cluster = cluster_factory(conf={"fsync": "on", "pgai_rs.poll_interval": "200ms"})
    db = cluster.create_database("kept")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    return db


def crash(db) -> Database:
    db.cluster.kill()
    db.cluster.start()
    return db


@pytest.mark.parametrize("table", [
    TABLE.replace("TABLE", "UNLOGGED TABLE"),
    PARTITIONED.replace("CREATE TABLE document_", "CREATE UNLOGGED TABLE document_"),
    f"{TABLE}; ALTER TABLE document SET UNLOGGED",
], ids=["unlogged", "partitions", "set unlogged"])
def test_a_source_that_a_crash_empties_is_followed(crashing, stub, table):
    db = crashing
    db.sql(table)
    vectorizer.create(db, stub.url)
    db.sql("INSERT INTO document VALUES (1, 'a|b'), (2, 'c')")
    vectorizer.in_step(db, ["id"])
    for number in (3, 4):
        crash(db)
        assert db.sql("SELECT * FROM document") == []
        db.sql("INSERT INTO document VALUES (%s, 'later')", [number])
        vectorizer.in_step(db, ["id"])


def test_a_clean_restart_compares_nothing(crashing, stub):
    db = crashing
    db.sql(TABLE.replace("TABLE", "UNLOGGED TABLE"))
    vectorizer.create(db, stub.url)
    db.sql("INSERT INTO document VALUES (1, 'a|b'), (2, 'c')")
    vectorizer.in_step(db, ["id"])
    db.cluster.restart()
    db.sql("INSERT INTO document VALUES (3, 'd')")
    vectorizer.in_step(db, ["id"])
    assert db.value("SELECT count(*) FROM ai._compared_since_crash") == 1


@pytest.mark.parametrize("table", [STORE, "ai._vectorizer_q_1"])
def test_a_store_or_a_queue_that_a_crash_empties_is_filled_again(crashing, stub, table):
    db = crashing
    db.sql(TABLE)
    vectorizer.create(db, stub.url)
    db.sql(f"INSERT INTO document VALUES (1, 'a|b'), (2, 'c'); ALTER TABLE {table} SET UNLOGGED")
    vectorizer.in_step(db, ["id"])
    db.sql("SELECT ai.disable_vectorizer_schedule(1); INSERT INTO document VALUES (3, 'waits')")
    crash(db)
    db.sql("SELECT ai.enable_vectorizer_schedule(1)")
    vectorizer.in_step(db, ["id"])
