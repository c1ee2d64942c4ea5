"""What a role that nobody trusts makes of the event triggers, which act for everybody in whatever session changes a definition.

Mallory has a schema of her own, and may do no more in `ai` than search. A name of a statement's can come to mean another table or type before the event
trigger looks, and what the event trigger asks can call what was planted in the session's search path.
"""

import threading

import pytest
from support import egress, vectorizer
from support.wait import eventually, settles

TABLE = "CREATE TABLE document (id int PRIMARY KEY, body text)"
PARTITIONED = """
    CREATE TABLE document (id int PRIMARY KEY, body text) PARTITION BY RANGE (id);
    CREATE TABLE document_low PARTITION OF document FOR VALUES FROM (0) TO (100);
"""
TRIGGERS = "SELECT oid, tgname, tgenabled::text FROM pg_trigger WHERE tgrelid = 'public.document'::regclass ORDER BY tgname"

# What Mallory's `document` means ends in the middle of a statement: when it computes a column anew.
FLIP = """
    CREATE FUNCTION evil.flip(int) RETURNS text LANGUAGE plpgsql AS
    $$BEGIN PERFORM set_config('search_path', 'public', false); RETURN 'x'; END$$
"""


@pytest.fixture
def mallory(db):
    """A stranger with a schema `evil` who was let into `ai`, as those who search are; answers her name."""
    role = f"mallory_{db.name}"
    db.sql(f"CREATE ROLE {role} LOGIN; CREATE SCHEMA evil AUTHORIZATION {role}; GRANT USAGE ON SCHEMA ai TO {role}")
    yield role
    db.sql(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


@pytest.fixture
def victim(db, stub):
    """The source of a superuser's vectorizer."""
    db.sql(TABLE)
    vectorizer.create(db, stub.url)
    db.sql("INSERT INTO document VALUES (1, 'a|b'), (2, 'c')")
    vectorizer.in_step(db, ["id"])
    return db


def locks(session, *relations: str) -> list[tuple]:
    """What the session's transaction has locked of these relations."""
    look = """SELECT n.nspname || '.' || c.relname, l.mode
              FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
              WHERE l.pid = pg_backend_pid()"""
    return [(name, mode) for name, mode in session.execute(look) if name in relations]


# Names


def test_the_owner_of_a_partition_switches_its_triggers_and_no_others(db, mallory, stub):
    db.sql(PARTITIONED)
    vectorizer.create(db, stub.url)
    db.sql(f"ALTER TABLE document_low OWNER TO {mallory}")
    others = "SELECT tgrelid::regclass::text, tgname, tgenabled::text FROM pg_trigger WHERE tgrelid = 'document'::regclass ORDER BY 2"
    before = db.sql(others)
    [[trigger], *_] = db.sql("SELECT tgname FROM pg_trigger WHERE tgrelid = 'document_low'::regclass AND NOT tgisinternal")
    db.sql(f"ALTER TABLE document_low ENABLE REPLICA TRIGGER {trigger}", user=mallory)
    assert db.sql(others) == before


@pytest.mark.parametrize("how", ["REPLICA", "ALWAYS"])
def test_whose_triggers_are_switched_is_not_told_by_a_name(victim, mallory, how):
    """Else all of a stranger's triggers would be made to fire for nobody."""
    before = victim.sql(TRIGGERS)
    victim.sql(f"""
        CREATE TABLE evil.document (c int); INSERT INTO evil.document VALUES (1);
        CREATE FUNCTION evil.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
        CREATE TRIGGER _vectorizer_src_trg_1 AFTER INSERT ON evil.document FOR EACH ROW EXECUTE FUNCTION evil.f();
        {FLIP}; SET search_path = evil, public;
        ALTER TABLE document ALTER COLUMN c TYPE text USING evil.flip(c), ENABLE {how} TRIGGER _vectorizer_src_trg_1;
    """, user=mallory)
    assert victim.sql(TRIGGERS) == before
    victim.sql("INSERT INTO document VALUES (3, 'd')")
    vectorizer.in_step(victim, ["id"])


@pytest.mark.parametrize(
    "alter",
    [
        "ALTER TABLE document INHERIT evil.parent, ALTER COLUMN c TYPE text USING evil.flip(c)",
        "ALTER TABLE document NO INHERIT evil.parent, ALTER COLUMN c TYPE text USING evil.flip(c)",
    ],
)
def test_a_table_of_the_same_name_is_not_locked(victim, mallory, alter):
    before = victim.sql(TRIGGERS)
    victim.sql(f"""
        CREATE TABLE evil.parent (c {'int' if 'NO INHERIT' in alter else 'text'});
        CREATE TABLE evil.document (c int) {'INHERITS (evil.parent)' if 'NO INHERIT' in alter else ''};
        INSERT INTO evil.document VALUES (1); {FLIP}
    """, user=mallory)
    if "NO INHERIT" in alter:
        # A column that comes from a parent alone is not computed anew.
        alter = alter.replace("ALTER COLUMN c", "ALTER COLUMN d").replace("flip(c)", "flip(d)")
        victim.sql("ALTER TABLE evil.document ADD COLUMN d int", user=mallory)
    with victim.connect(user=mallory, autocommit=False) as session:
        session.execute("SET search_path = evil, public")
        session.execute(alter)
        assert locks(session, "public.document", "public.document_embedding_store") == []
        victim.sql("INSERT INTO document VALUES (3, 'd')")
    assert victim.sql(TRIGGERS) == before
    vectorizer.in_step(victim, ["id"])


def test_a_parent_of_the_same_name_is_not_worked_on(victim, mallory):
    """Else the rows of the stranger's table would be enqueued by whoever says that it inherits."""
    victim.sql(f"""
        CREATE TABLE evil.document (c text); CREATE TABLE evil.child (c int); INSERT INTO evil.child VALUES (1); {FLIP}
    """, user=mallory)
    with victim.connect(user=mallory, autocommit=False) as session:
        session.execute("SET search_path = evil, public")
        session.execute("ALTER TABLE evil.child INHERIT document, ALTER COLUMN c TYPE text USING evil.flip(c)")
        assert locks(session, "public.document", "ai._vectorizer_q_1", "ai._vectorizer_work_1") == []


def test_whose_column_is_renamed_is_not_told_by_a_name(victim, mallory):
    victim.sql(f"GRANT CREATE ON DATABASE {victim.name} TO {mallory}")
    victim.sql("CREATE TABLE evil.document (body text); CREATE TABLE evil.child () INHERITS (evil.document)", user=mallory)
    with victim.connect(user=mallory, autocommit=False) as holder, victim.connect(user=mallory) as renames:
        holder.execute("LOCK TABLE evil.child IN ACCESS SHARE MODE")
        renames.execute("SET search_path = evil, public")
        statement = threading.Thread(target=renames.execute, args=["ALTER TABLE document RENAME COLUMN body TO ssn"])
        statement.start()
        waits = "SELECT FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"
        eventually(lambda: victim.sql(waits, [renames.info.backend_pid]), what="the statement to wait")
        victim.sql("ALTER SCHEMA evil RENAME TO moved", user=mallory)
        holder.rollback()
        statement.join()
    assert victim.sql("SELECT attname FROM pg_attribute WHERE attrelid = 'moved.document'::regclass AND attnum = 1") == [("ssn",)]
    assert victim.value("SELECT config #>> '{loading,column_name}' FROM ai.vectorizer") == "body"
    victim.sql("INSERT INTO document VALUES (3, 'd')")
    vectorizer.in_step(victim, ["id"])


def test_the_types_of_a_cast_are_those_that_the_statement_has_found(db, stub, mallory):
    """A cast of one's own may change what the names mean."""
    db.sql(f"GRANT USAGE, CREATE ON SCHEMA evil TO PUBLIC; SET search_path = evil; CREATE DOMAIN public.code AS varchar(3);"
           f" CREATE DOMAIN evil.code AS varchar(9); GRANT CREATE ON SCHEMA public TO {mallory}")
    db.sql("CREATE TABLE document (id varchar(9) PRIMARY KEY, body text)")
    vectorizer.create(db, stub.url)
    db.sql("INSERT INTO document VALUES ('longer', 'a|b')")
    vectorizer.in_step(db, ["id"])
    db.sql("""
        CREATE FUNCTION flip(text) RETURNS text LANGUAGE plpgsql AS
        $$BEGIN PERFORM set_config('search_path', 'public', false); RETURN $1; END$$;
        DROP VIEW document_embedding; ALTER TABLE document ADD COLUMN more text DEFAULT 'x';
        SET search_path = evil, public;
        ALTER TABLE document ALTER id TYPE text USING id::code, ALTER more TYPE text USING flip(more)
    """)
    # Cast by the other type, the store's key would have been cut short.
    assert db.sql("SELECT DISTINCT id FROM document_embedding_store") == [("longer",)]
    vectorizer.in_step(db, ["id"])


# What was planted

# An operator for all pairs of types, or for those that Postgres itself has none of this name for: an exact match wins. It notes who
# calls it in a session; what the worker calls is no matter of event triggers.
PLANT = """
    CREATE TABLE evil.ran (what text, by text); GRANT USAGE ON SCHEMA evil TO PUBLIC; GRANT INSERT ON evil.ran TO PUBLIC;
    DO $plant$
    DECLARE
        l text; r text; types text[] = '{int2,int4,int8,oid,text,name,"char",varchar,regclass,jsonb,numeric}';
    BEGIN
        FOREACH l IN ARRAY types LOOP FOREACH r IN ARRAY types LOOP
            CONTINUE WHEN NOT %(all)s AND EXISTS (
                SELECT FROM pg_operator WHERE oprname = '%(operator)s' AND oprleft = l::regtype AND oprright = r::regtype);
            EXECUTE format($$CREATE FUNCTION public."planted%(operator)s"(%%s, %%s) RETURNS %(type)s LANGUAGE plpgsql
                SET search_path = pg_catalog AS
                'BEGIN
                    INSERT INTO evil.ran SELECT ''%%s %(operator)s %%s'', current_user
                    FROM pg_stat_activity WHERE pid = pg_backend_pid() AND backend_type LIKE ''client%%%%'';
                    RETURN %(value)s;
                 END'$$, l, r, l, r);
            EXECUTE format('CREATE OPERATOR public.%(operator)s (LEFTARG = %%s, RIGHTARG = %%s, FUNCTION = public."planted%(operator)s")', l, r);
        END LOOP; END LOOP;
    END $plant$
"""
OPERATORS = [("&", "int4", "0"), ("<>", "bool", "true"), ("=", "bool", "true"), ("<", "bool", "true"), ("||", "text", "NULL"), ("+", "int4", "1")]


@pytest.mark.parametrize("path", ["public", "public, pg_catalog"])
@pytest.mark.parametrize("operator, type_, value", OPERATORS, ids=[operator for operator, *_ in OPERATORS])
def test_nothing_planted_runs_as_who_changes_a_definition(db, stub, mallory, operator, type_, value, path):
    db.sql(f"GRANT CREATE ON SCHEMA public TO {mallory}; CREATE TYPE mood AS ENUM ('a', 'b'); {PARTITIONED}")
    db.sql("CREATE TABLE plain (id int PRIMARY KEY, body text)")
    vectorizer.create(db, stub.url)
    vectorizer.create(db, stub.url, "plain")
    db.sql("INSERT INTO document VALUES (1, 'a|b'); INSERT INTO plain VALUES (1, 'a|b')")
    db.sql(PLANT % {"operator": operator, "type": type_, "value": value, "all": "pg_catalog" in path}, user=mallory)
    for statement in (
        "CREATE TABLE document_high PARTITION OF document FOR VALUES FROM (100) TO (200)",
        "ALTER TABLE document DETACH PARTITION document_high",
        "ALTER TABLE document ATTACH PARTITION document_high FOR VALUES FROM (100) TO (200)",
        "ALTER TYPE mood RENAME VALUE 'a' TO 'c'",
        "ALTER TYPE mood RENAME TO temper",
        "CREATE SCHEMA s; ALTER TYPE temper SET SCHEMA s; ALTER SCHEMA s RENAME TO t",
        "ALTER TABLE document RENAME body TO content; ALTER TABLE document RENAME TO paper",
        "ALTER TABLE plain ENABLE ALWAYS TRIGGER _vectorizer_src_trg_2",
        "ALTER TABLE plain DISABLE TRIGGER ALL; ALTER TABLE plain ENABLE TRIGGER ALL",
        "CREATE TABLE child () INHERITS (plain); ALTER TABLE child NO INHERIT plain",
        "DROP VIEW plain_embedding; ALTER TABLE plain ALTER id TYPE bigint",
        "DROP TABLE document_high",
        "DROP TABLE paper CASCADE",
    ):
        # A planted operator can have a query go on for ever.
        db.sql(f"SET statement_timeout = '30s'; SET search_path = {path}; {statement}")
        assert (statement, db.sql("SELECT DISTINCT what, by FROM evil.ran")) == (statement, [])


# The types of keys

# Notes, also in a transaction that is undone, that it runs as somebody else than who planted it.
EVIL = """
    CREATE SEQUENCE {schema}.ran;
    CREATE FUNCTION {schema}.check(anyelement) RETURNS bool LANGUAGE plpgsql AS
    $$BEGIN IF current_user <> '{role}' THEN PERFORM nextval('{schema}.ran'); END IF; RETURN true; END$$
"""
NEW_TYPE = "ALTER TABLE document ALTER id TYPE bigint"


def told(session, statement: str) -> list[str]:
    """What a statement warns of."""
    notices = []
    session.add_notice_handler(lambda notice: notices.append((notice.severity, notice.message_primary)))
    session.execute(statement)
    return [message for severity, message in notices if severity == "WARNING"]


def ran(db, schema: str) -> bool:
    return db.value(f"SELECT is_called FROM {schema}.ran")


@pytest.fixture
def declared(db, mallory, stub):
    """A vectorizer that Mallory declared for a source of her own, with a chunk."""
    db.sql(f"GRANT CREATE ON SCHEMA public TO {mallory}; SELECT ai.grant_vectorizer_usage('{mallory}')")
    db.sql(TABLE, user=mallory)
    egress.allow(db.cluster, stub.url)
    vectorizer.create(db, stub.url, user=mallory)
    db.sql("INSERT INTO document VALUES (1, 'a')", user=mallory)
    vectorizer.in_step(db, ["id"])
    db.sql("DROP VIEW document_embedding; " + EVIL.format(schema="evil", role=mallory), user=mallory)
    yield db
    egress.allow_nothing(db.cluster)


@pytest.mark.parametrize("table", ["document_embedding_store", "ai._vectorizer_q_1", "ai._vectorizer_work_1", "ai._vectorizer_q_failed_1"])
def test_a_new_type_of_a_key_alters_no_table_of_anothers(declared, mallory, table):
    """Else CHECK constraints of the table's owner would run as the source's."""
    declared.sql("ALTER TABLE document OWNER TO postgres")
    if table != "document_embedding_store":
        declared.sql("ALTER TABLE document_embedding_store OWNER TO postgres")
        declared.sql(f"INSERT INTO {table} (id) VALUES (7)", user=mallory)
    declared.sql(f"ALTER TABLE {table} ADD CHECK (evil.check(id))", user=mallory)
    with declared.connect() as session:
        warnings = told(session, NEW_TYPE)
    assert not ran(declared, "evil")
    [warning] = warnings
    assert "different owners" in warning
    assert declared.value("SELECT format_type(atttypid, -1) FROM pg_attribute WHERE attrelid = 'document'::regclass AND attnum = 1") == "bigint"
    look = "SELECT state, reason FROM ai.vectorizer_health"
    [[_, reason]] = eventually(lambda: [row for row in declared.sql(look) if row[0] == "not_served"], what="it to rest")
    assert "different owners" in reason


def test_a_new_type_of_a_key_alters_no_table_that_inherits(declared, mallory):
    """Whoever owned the store may have kept a table below it."""
    declared.sql("CREATE TABLE evil.below () INHERITS (public.document_embedding_store)", user=mallory)
    declared.sql("INSERT INTO evil.below SELECT * FROM document_embedding_store; ALTER TABLE evil.below ADD CHECK (evil.check(id))", user=mallory)
    for [table] in declared.sql(
        f"SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relowner = '{mallory}'::regrole AND relnamespace <> 'evil'::regnamespace"
    ):
        declared.sql(f"ALTER TABLE {table} OWNER TO postgres")
    with declared.connect() as session:
        warnings = told(session, NEW_TYPE)
    assert not ran(declared, "evil")
    [warning] = warnings
    assert "evil.below" in warning and "another role" in warning
    look = "SELECT state FROM ai.vectorizer_health WHERE hint LIKE '%NO INHERIT%'"
    settles(lambda: declared.sql(look), [("not_served",)], what="the reason for which it rests")


def test_a_new_type_of_a_key_alters_no_table_of_the_same_name(db, stub, mallory):
    """The schema of a store is another by the time that its lock is granted."""
    db.sql(f"GRANT CREATE ON DATABASE {db.name} TO {mallory}; {TABLE}")
    vectorizer.create(db, stub.url, destination="ai.destination_table(target_schema => 'evil', target_table => 'store', view_schema => 'public')")
    db.sql(f"INSERT INTO document VALUES (1, 'a'); GRANT SELECT ON evil.store TO {mallory}")
    vectorizer.in_step(db, ["id"], store="evil.store")
    [[view]] = db.sql("SELECT oid::regclass::text FROM pg_class WHERE relkind = 'v' AND relnamespace = 'public'::regnamespace")
    db.sql(f"DROP VIEW {view}")

    warnings = []
    with db.connect(user=mallory, autocommit=False) as holder, db.connect() as alters:
        holder.execute("LOCK TABLE evil.store IN ACCESS SHARE MODE")
        statement = threading.Thread(target=lambda: warnings.extend(told(alters, NEW_TYPE)))
        statement.start()
        waits = "SELECT FROM pg_locks WHERE pid = %s AND NOT granted AND relation = 'evil.store'::regclass"
        eventually(lambda: db.sql(waits, [alters.info.backend_pid]), what="the statement to wait")
        db.sql("ALTER SCHEMA evil RENAME TO moved; CREATE SCHEMA evil; CREATE TABLE evil.store (id int); INSERT INTO evil.store VALUES (1);"
               + EVIL.format(schema="evil", role=mallory) + "; ALTER TABLE evil.store ADD CHECK (evil.check(id))", user=mallory)
        holder.rollback()
        statement.join()
    assert not ran(db, "evil")
    [warning] = warnings
    assert "was changed concurrently" in warning
    db.sql("DROP SCHEMA evil CASCADE", user=mallory)


# Types


def test_a_type_of_ones_own_touches_nobody_elses_vectorizer(db, stub, mallory):
    """Else whoever has a type would lock everybody's vectorizers for as long as a transaction takes, and start their work anew."""
    db.sql("CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE TABLE document (id mood PRIMARY KEY, body text)")
    vectorizer.create(db, stub.url)
    db.sql("INSERT INTO document VALUES ('sad', 'a|b')")
    vectorizer.in_step(db, ["id"])
    db.sql("CREATE TYPE evil.mood AS ENUM ('sad', 'glad'); CREATE TABLE evil.pair (a evil.mood)", user=mallory)
    with db.connect(user=mallory, autocommit=False) as session:
        session.execute("ALTER TYPE evil.mood RENAME VALUE 'sad' TO 'blue'; ALTER TYPE evil.mood RENAME TO temper")
        touched = """SELECT relation::regclass FROM pg_locks WHERE pid = pg_backend_pid() AND mode <> 'AccessShareLock'
                     AND relation::regclass::text LIKE '%vectorizer%'"""
        assert session.execute(touched).fetchall() == []
    vectorizer.in_step(db, ["id"])


# Health


def test_triggers_that_fire_for_replication_alone_are_told(victim):
    """Where no subscription writes, that is nobody's wish."""
    victim.sql("ALTER TABLE document ENABLE REPLICA TRIGGER _vectorizer_src_trg_1; INSERT INTO document VALUES (3, 'unseen')")
    [(word, reason, hint)] = victim.sql("SELECT state, reason, hint FROM ai.vectorizer_health")
    assert word == "out_of_step" and "INSERT" in reason
    for statement in hint.split("; then "):
        victim.sql(statement)
    vectorizer.in_step(victim, ["id"])
    vectorizer.comes_to(victim, "idle")


# Owners


def test_a_table_is_followed_that_was_made_for_its_owner(declared, mallory):
    """Who made it may become the owner, and has none of the owner's rights before that."""
    deputy = f"deputy_{declared.name}"
    declared.sql(f"CREATE ROLE {deputy} LOGIN NOINHERIT; GRANT {mallory} TO {deputy}; GRANT CREATE ON DATABASE {declared.name} TO {deputy}")
    try:
        declared.sql(f"CREATE SCHEMA made AUTHORIZATION {mallory} CREATE TABLE child () INHERITS (public.document)", user=deputy)
        declared.sql("INSERT INTO made.child VALUES (2, 'b')", user=mallory)
        vectorizer.in_step(declared, ["id"])
    finally:
        declared.sql(f"DROP OWNED BY {deputy}; DROP ROLE {deputy}")
