"""Nobody sees another's vectorizer or S3 source without a grant. One test a threat."""

import psycopg
import pytest
from support import vectorizer
from support.public import PUBLIC
from support.two_roles import Role, alice, mallory, roles  # noqa: F401
from support.wait import settles

# Of whose rows something is written there.
OF_SOMEBODY = {
    "ai.vectorizer", "ai._vectorizer_binding", "ai.vectorizer_status", "ai.vectorizer_errors", "ai.vectorizer_health",
    "ai.vectorizer_progress",
    "ai.s3_source", "ai.s3_source_status", "ai.s3_source_runs",
}  # fmt: skip


def seen(role: Role) -> dict[str, int]:
    return role.sees(*(relation for [relation] in role.db.sql(PUBLIC)))


def ones(relations, number: int) -> dict[str, int]:
    return dict.fromkeys(relations, number)


# Who sees it.


def test_a_stranger_sees_nothing_of_anothers(db, roles, mallory):
    # All that metrics say of the worker itself, which is for everybody: the last is known with its first heartbeat.
    settles(lambda: db.value("SELECT count(*) FROM ai.metrics WHERE name LIKE 'pgai_rs_worker_%'"), 4)
    before = seen(mallory)
    roles("alice").declare()
    # There is something to be seen.
    assert OF_SOMEBODY <= set(before)
    assert {relation for relation in before if db.value(f"SELECT count(*) FROM {relation}") > before[relation]} == OF_SOMEBODY | {"ai.metrics"}
    assert seen(mallory) == before
    assert mallory.sees(*OF_SOMEBODY) == ones(OF_SOMEBODY, 0)


def test_who_may_write_all_data_reads_nothing_by_that(db, roles):
    alice, mallory = roles("alice"), roles("mallory")
    alice.declare()
    db.sql(f"GRANT pg_write_all_data TO {mallory.name}")
    assert set(mallory.sees(*(name for [name] in db.sql(PUBLIC) if name in OF_SOMEBODY)).values()) == {0}


def test_each_owner_sees_their_own_and_nothing_else(alice, mallory):
    mallory.declare()
    for who in (alice, mallory):
        assert who.sees(*OF_SOMEBODY) == ones(OF_SOMEBODY, 1)
        assert who.sql("SELECT name FROM ai.vectorizer") == [(f"of_{who.who}",)]
        assert who.sql("SELECT name FROM ai.s3_source") == [(f"objects_of_{who.who}",)]


def test_a_member_of_the_owners_role_sees_what_the_owner_sees(db, alice, mallory):
    db.sql(f"GRANT {alice.name} TO {mallory.name}")
    assert mallory.sees(*OF_SOMEBODY) == ones(OF_SOMEBODY, 1)


OF_VECTORIZERS = ["ai.vectorizer", "ai._vectorizer_binding", "ai.vectorizer_status"]
OF_QUEUES = ["ai.vectorizer_errors", "ai.vectorizer_health", "ai.vectorizer_progress"]
OF_SOURCES = ["ai.s3_source", "ai.s3_source_status", "ai.s3_source_runs"]


@pytest.mark.parametrize(
    "granted, sees",
    [
        ("SELECT ON alice.document", OF_VECTORIZERS),
        ("SELECT (id) ON alice.document", OF_VECTORIZERS),
        ("SELECT ON alice.document_embedding_store", OF_VECTORIZERS),
        ("SELECT ON alice.document_embedding", OF_VECTORIZERS),
        ("SELECT ON ai._vectorizer_q_1", OF_VECTORIZERS + OF_QUEUES),
        ("SELECT ON alice.object", OF_SOURCES),
        # To write is not to see.
        ("INSERT, UPDATE, DELETE ON alice.document, alice.document_embedding_store", []),
    ],
)
def test_whoever_was_given_to_read_one_of_its_tables_sees_it(alice, mallory, granted, sees):
    alice.sql(f"GRANT USAGE ON SCHEMA alice TO {mallory.name}; GRANT {granted} TO {mallory.name}")
    assert mallory.sees(*OF_SOMEBODY) == ones(OF_SOMEBODY, 0) | ones(sees, 1)
    alice.sql(f"REVOKE {granted} FROM {mallory.name}" if "(" in granted else f"REVOKE USAGE ON SCHEMA alice FROM {mallory.name}")
    if "ai." not in granted:
        assert mallory.sees(*OF_SOMEBODY) == ones(OF_SOMEBODY, 0)


def test_grant_to_shows_it(db, alice, mallory):
    alice.sql("CREATE TABLE alice.other (id int PRIMARY KEY, body text)")
    vectorizer.create(db, "", "alice.other", user=alice.name, name="'other'", grant_to=f"ai.grant_to('{mallory.name}')",
                      embedding="ai.embedding_openai('text-embedding-3-small', 8)")
    assert mallory.sql("SELECT name FROM ai.vectorizer") == [("other",)]
    assert mallory.sql("SELECT name FROM ai.vectorizer_health") == [("other",)]


@pytest.mark.parametrize(
    "granted",
    [
        "SELECT ai.grant_vectorizer_usage('{}', admin => true)",
        "GRANT pg_read_all_data TO {}",
        "ALTER DATABASE {db} OWNER TO {}",
        "ALTER ROLE {} SUPERUSER",
    ],
)
def test_an_administrator_sees_all(db, alice, mallory, granted):
    mallory.declare()
    db.sql(granted.format(mallory.name, db=db.name))
    try:
        assert mallory.sees(*OF_SOMEBODY) == ones(OF_SOMEBODY, 2)
    finally:
        db.sql(f"ALTER DATABASE {db.name} OWNER TO postgres; ALTER ROLE {mallory.name} NOSUPERUSER")


def test_who_monitors_sees_how_all_are_and_no_config(db, alice, mallory):
    db.sql(f"GRANT pg_monitor TO {mallory.name}")
    assert mallory.sees(*OF_SOMEBODY) == ones(OF_SOMEBODY, 0) | {"ai.vectorizer_health": 1, "ai.vectorizer_progress": 1}


def test_a_table_of_anothers_by_the_old_oid_shows_nothing(db, alice, mallory):
    """As if the number of a table that is gone had been given to another."""
    mallory.sql("CREATE TABLE mallory.mine (); CREATE TABLE mallory.object ()")
    for column in ("store", "view", "inbox"):
        db.sql(f"UPDATE ai._vectorizer_binding SET {column} = 'mallory.mine'::regclass")
    db.sql("UPDATE ai.s3_source SET target = 'mallory.object'")
    assert mallory.sees(*OF_VECTORIZERS, *OF_SOURCES) == ones(OF_VECTORIZERS + OF_SOURCES, 0)
    assert alice.sees(*OF_VECTORIZERS, *OF_SOURCES) == ones(OF_VECTORIZERS + OF_SOURCES, 1)


def test_a_vectorizer_that_is_not_bound_yet_is_an_administrators_to_see(db, alice, mallory):
    # As a dump leaves it, and without what a worker would find it by.
    db.sql("DELETE FROM ai._vectorizer_binding; UPDATE ai.vectorizer SET queue_table = 'nowhere', disabled = true")
    unbound = ["ai.vectorizer", "ai.vectorizer_status", "ai.vectorizer_health"]
    assert alice.sees(*unbound) == mallory.sees(*unbound) == ones(unbound, 0)
    db.sql(f"SELECT ai.grant_vectorizer_usage('{mallory.name}', admin => true)")
    assert mallory.sees(*unbound) == ones(unbound, 1)


def test_what_has_lost_its_queue_is_not_for_everybody(db, alice, mallory):
    alice.sql("DROP TABLE ai._vectorizer_q_1")
    assert alice.sql("SELECT state FROM ai.vectorizer_health") == [("broken",)]
    assert mallory.sql("SELECT name FROM ai.vectorizer_health") == []


# Ways around.


def test_a_cheap_function_in_where_is_shown_nothing(db, alice, mallory):
    mallory.sql("""
        CREATE TABLE mallory.told (what text);
        CREATE FUNCTION mallory.tell(what text) RETURNS bool LANGUAGE plpgsql COST 0.0000001 AS
            $$ BEGIN INSERT INTO mallory.told VALUES (what); RETURN true; END $$;
        CREATE FUNCTION mallory.equals(jsonb, text) RETURNS bool LANGUAGE sql COST 0.0000001 AS
            $$ SELECT mallory.tell($1::text) $$;
        CREATE OPERATOR mallory.=== (FUNCTION = mallory.equals, LEFTARG = jsonb, RIGHTARG = text);
    """)
    for relation in OF_SOMEBODY:
        mallory.sql(f"SELECT FROM {relation} r WHERE mallory.tell(r::text)")
        mallory.sql(f"SELECT FROM {relation} r WHERE to_jsonb(r) OPERATOR(mallory.===) 'x'")
        mallory.sql(f"SELECT FROM {relation} r, (VALUES (1)) v (n) WHERE CASE WHEN n = 1 THEN mallory.tell(r::text) END")
        # An error that says what it has met.
        mallory.sql(f"SELECT FROM {relation} r WHERE r::text::int = 1")
        # A column that is known where the owner's filter is asked, below the joins of a view.
        for [column] in db.sql("SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0", [relation]):
            mallory.sql(f"SELECT FROM {relation} r WHERE mallory.tell(r.{column}::text)")
    assert mallory.sql("SELECT what FROM mallory.told") == []
    # Who sees it, is told.
    alice.sql("SELECT FROM ai.vectorizer v WHERE v.config::text LIKE '%'")


def test_what_a_view_joins_is_shown_to_nobody_before_it_is_theirs(db, alice, mallory):
    """A function that is not true of NULL makes an inner join of an outer one, and may be asked below it."""
    mallory.declare()
    alice.sql("CREATE TABLE alice.other (id int PRIMARY KEY, body text)")
    other = vectorizer.create(db, "", "alice.other", user=alice.name, name="'other'",
                              embedding="ai.embedding_openai('text-embedding-3-large', 8)")
    db.sql("INSERT INTO ai.model_override (model, ends) VALUES ('openai/text-embedding-3-large', CURRENT_DATE + 7)")
    db.sql("INSERT INTO ai._vectorizer_rate VALUES (%s, now(), 4711, 4711)", [other])
    told = "SELECT h.warning ~ 'large', p.rows_per_minute FROM ai.vectorizer_health h JOIN ai.vectorizer_progress p USING (id) WHERE id = %s"
    assert alice.sql(told, [other]) == [(True, 4711)]
    mallory.sql("""
        CREATE TABLE mallory.told (what text);
        CREATE FUNCTION mallory.tell(what text) RETURNS bool LANGUAGE plpgsql STRICT COST 0.0000001 AS
            $$ BEGIN INSERT INTO mallory.told VALUES (what); RETURN true; END $$
    """)
    for column in ("h.warning", "p.rows_per_minute", "p.time_left"):
        view = {"h": "health", "p": "progress"}[column[0]]
        for off in ("nestloop", "hashjoin", "mergejoin"):
            mallory.sql(f"SET enable_{off} = off; SELECT FROM ai.vectorizer_{view} {column[0]} WHERE mallory.tell({column}::text)")
    assert mallory.sql("SELECT what FROM mallory.told") == []


def test_each_view_is_a_barrier_or_its_readers_unless_all_may_read_what_it_reads(db):
    """Else a function in WHERE may be asked about rows before the view has left them out."""
    neither = db.sql("""
        SELECT relname FROM pg_class
        WHERE relnamespace = 'ai'::regnamespace AND relkind = 'v' AND has_table_privilege('public', oid, 'SELECT')
          AND NOT coalesce(reloptions && ARRAY['security_barrier=true', 'security_invoker=true'], false)
        ORDER BY 1
    """)
    assert neither == [("_model_fact",), ("_model_said",), ("models",)]


def test_statistics_are_shown_to_nobody(db, alice, mallory):
    db.sql("INSERT INTO ai.vectorizer SELECT (jsonb_populate_record(v, jsonb_build_object('id', n, 'name', 'v' || n,"
           " 'uuid', gen_random_uuid()))).* FROM ai.vectorizer v, generate_series(1000, 1100) n; ANALYZE ai.vectorizer")
    shown = "SELECT attname FROM pg_stats WHERE schemaname = 'ai' AND tablename = 'vectorizer'"
    assert db.sql(shown)
    assert mallory.sql(shown) == []


def test_row_security_that_is_switched_off_is_an_error(alice, mallory):
    for relation in ("ai.vectorizer", "ai._vectorizer_binding", "ai.vectorizer_status", "ai.s3_source"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            mallory.sql(f"SET row_security = off; SELECT * FROM {relation}")


def test_a_view_of_somebodys_shows_no_more_than_its_reader_may_see(alice, mallory):
    alice.sql("CREATE VIEW alice.all_of_them AS SELECT * FROM ai.vectorizer")
    alice.sql(f"GRANT USAGE ON SCHEMA alice TO {mallory.name}; GRANT SELECT ON alice.all_of_them TO {mallory.name}")
    assert mallory.sql("SELECT name FROM alice.all_of_them") == []


PLANTED = """
    CREATE TABLE public.ran (as_whom name, what text);
    GRANT INSERT, SELECT ON public.ran TO PUBLIC;
    CREATE FUNCTION public.note(what text) RETURNS bool LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO public.ran VALUES (current_user, what); RETURN true; END $$;
    CREATE FUNCTION public.equals(int4, int4) RETURNS bool LANGUAGE sql AS $$ SELECT public.note('=') $$;
    CREATE OPERATOR public.= (FUNCTION = public.equals, LEFTARG = int4, RIGHTARG = int4);
    CREATE FUNCTION public._sees_all() RETURNS bool LANGUAGE sql AS $$ SELECT public.note('_sees_all') $$;
    CREATE FUNCTION public._sees_vectorizer(oid, oid, oid, oid) RETURNS bool LANGUAGE sql AS $$ SELECT public.note('_sees') $$;
    CREATE FUNCTION public.has_table_privilege(oid, text) RETURNS bool LANGUAGE sql AS $$ SELECT public.note('has') $$;
    CREATE FUNCTION public.pg_has_role(oid, text) RETURNS bool LANGUAGE sql AS $$ SELECT public.note('has') $$;
"""


def test_nothing_that_was_planted_runs_as_who_looks(cluster, db, alice):
    [[version]] = db.sql("SELECT extversion FROM pg_extension WHERE extname = 'pgai_rs'")
    planted = cluster.create_database(f"{db.name}_planted")
    try:
        planted.sql(f"CREATE EXTENSION vector; {PLANTED} CREATE EXTENSION pgai_rs VERSION '{version}'")
        planted.sql(f"SELECT ai.grant_vectorizer_usage('{alice.name}'); CREATE SCHEMA alice AUTHORIZATION {alice.name}")
        planted.sql("CREATE TABLE alice.document (id int PRIMARY KEY, body text)", user=alice.name)
        vectorizer.create(planted, "", "alice.document", user=alice.name,
                          embedding="ai.embedding_openai('text-embedding-3-small', 8)")
        planted.sql("TRUNCATE public.ran")
        for relation in OF_SOMEBODY:
            planted.sql(f"SET search_path = public, pg_catalog; SELECT count(*) FROM {relation}", user=alice.name)
        assert planted.sql("SELECT * FROM public.ran") == []
    finally:
        planted.drop()


# What needs the truth goes on.


def test_who_writes_without_seeing_anything_is_in_step(db, roles, stub, mallory):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    vectorizer.create(db, stub.url)
    db.sql(f"GRANT SELECT (id), INSERT, UPDATE, DELETE ON document TO {mallory.name}; REVOKE SELECT (id) ON document FROM {mallory.name}")
    assert mallory.sql("SELECT id FROM ai.vectorizer") == []
    for off in ("on", "off"):
        number = 1 if off == "on" else 2
        mallory.sql(f"SET row_security = {off}; INSERT INTO document VALUES ({number}, 'row {number}')")
    settles(lambda: db.sql("SELECT chunk FROM document_embedding_store ORDER BY id"), [("row 1",), ("row 2",)],
            what="the rows to be embedded")
    mallory.sql("SET row_security = off; UPDATE document SET body = 'row 3'")
    vectorizer.in_step(db, ["id"])
    mallory.sql("DELETE FROM document")
    assert db.sql("SELECT chunk FROM document_embedding_store") == []


@pytest.mark.parametrize("row_security", ["on", "off"])
def test_an_owners_functions_go_by_name_whatever_the_session_says(alice, row_security):
    calls = [
        "ai.vectorizer_queue_pending('of_alice')", "ai.retry_failed('of_alice')", "ai.resync('of_alice')",
        "ai.execute_vectorizer('of_alice')", "ai.set_scheduling('of_alice')", "ai.disable_vectorizer_schedule('of_alice')",
        "ai.enable_vectorizer_schedule('of_alice')", "ai.disable_s3_source('objects_of_alice')",
        "ai.drop_s3_source('objects_of_alice')", "ai.drop_vectorizer('of_alice')",
    ]  # fmt: skip
    for call in calls:
        alice.sql(f"SET row_security = {row_security}; SELECT {call}")
    assert alice.sql("SELECT id FROM ai.vectorizer") == []
    assert alice.sql("SELECT id FROM ai.s3_source") == []


def test_thousands_of_anothers_are_passed_by_without_a_function_call_each(db, alice, mallory):
    """By the plan, for time can't be asserted: who sees nothing has the bindings looked at once."""
    db.sql("INSERT INTO ai.vectorizer SELECT (jsonb_populate_record(v, jsonb_build_object('id', n, 'name', 'v' || n,"
           " 'uuid', gen_random_uuid()))).* FROM ai.vectorizer v, generate_series(1000, 4000) n; ANALYZE ai.vectorizer")
    plan = "\n".join(line for [line] in mallory.sql("EXPLAIN SELECT * FROM ai.vectorizer"))
    assert "InitPlan" in plan and "hashed" in plan, plan
