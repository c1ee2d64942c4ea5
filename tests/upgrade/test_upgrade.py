"""Who comes from an earlier version has what a newcomer has, and his vectorizers go on."""

import hashlib
from pathlib import Path

import psycopg
import pytest
from support import egress, vectorizer

RELEASED = Path(__file__).parents[2] / "sql" / "released"
VERSIONS = [path.stem.partition("--")[2] for path in RELEASED.glob("pgai_rs--*.sql")]

# Every object of the extension, with all that its definition says; by name, for numbers differ.
OBJECTS = """
    WITH member AS (
        SELECT d.classid, d.objid FROM pg_depend d
        JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
        WHERE e.extname = 'pgai_rs' AND d.deptype = 'e')
    SELECT o.type, o.identity, concat_ws(E'\\n',
        (SELECT pg_get_functiondef(p.oid) || coalesce(p.proacl::text, '') FROM pg_proc p
         WHERE p.oid = m.objid AND m.classid = 'pg_proc'::regclass),
        (SELECT concat_ws(' ', c.relkind, c.reloptions, c.relacl, pg_get_viewdef(c.oid)) FROM pg_class c
         WHERE c.oid = m.objid AND m.classid = 'pg_class'::regclass AND c.relkind = 'v'),
        (SELECT concat_ws(' ', c.relkind, c.reloptions, c.relacl, c.relreplident, c.relrowsecurity, c.relforcerowsecurity)
         FROM pg_class c
         WHERE c.oid = m.objid AND m.classid = 'pg_class'::regclass AND c.relkind <> 'v'),
        (SELECT string_agg(concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
                                     a.attidentity, pg_get_expr(f.adbin, f.adrelid)), E'\\n' ORDER BY a.attnum)
         FROM pg_attribute a LEFT JOIN pg_attrdef f ON (f.adrelid, f.adnum) = (a.attrelid, a.attnum)
         WHERE a.attrelid = m.objid AND m.classid = 'pg_class'::regclass AND a.attnum > 0 AND NOT a.attisdropped),
        (SELECT string_agg(concat_ws(' ', conname, pg_get_constraintdef(c.oid)), E'\\n' ORDER BY conname)
         FROM pg_constraint c WHERE c.conrelid = m.objid AND m.classid = 'pg_class'::regclass),
        (SELECT string_agg(concat_ws(' ', y.polname, y.polcmd, y.polpermissive, y.polroles, pg_get_expr(y.polqual, y.polrelid),
                                     pg_get_expr(y.polwithcheck, y.polrelid)), E'\\n' ORDER BY y.polname)
         FROM pg_policy y WHERE y.polrelid = m.objid AND m.classid = 'pg_class'::regclass),
        (SELECT string_agg(pg_get_indexdef(i.indexrelid), E'\\n' ORDER BY i.indexrelid::regclass::text)
         FROM pg_index i WHERE i.indrelid = m.objid AND m.classid = 'pg_class'::regclass),
        (SELECT string_agg(pg_get_triggerdef(t.oid), E'\\n' ORDER BY t.tgname)
         FROM pg_trigger t WHERE t.tgrelid = m.objid AND m.classid = 'pg_class'::regclass AND NOT t.tgisinternal),
        (SELECT concat_ws(' ', t.evtevent, t.evtfoid::regproc, t.evtenabled, t.evttags) FROM pg_event_trigger t
         WHERE t.oid = m.objid AND m.classid = 'pg_event_trigger'::regclass),
        (SELECT obj_description(m.objid, m.classid::regclass::text::name)))
    FROM member m CROSS JOIN LATERAL pg_identify_object(m.classid, m.objid, 0) o
    -- What a table has of itself.
    WHERE o.type NOT IN ('type', 'composite type')
    ORDER BY 1, 2
"""

# What pg_dump takes along.
DUMPED = """
    SELECT t.oid::regclass::text, c.condition
    FROM pg_extension e, unnest(e.extconfig, e.extcondition) AS c (relation, condition)
    JOIN pg_class t ON t.oid = c.relation
    WHERE e.extname = 'pgai_rs' ORDER BY 1
"""


@pytest.fixture
def empty(cluster, request):
    database = cluster.create_database(f"upgraded_{abs(hash(request.node.name))}")
    yield database
    database.drop()


@pytest.mark.parametrize("version", VERSIONS)
def test_an_upgraded_database_is_as_a_fresh_one(empty, db, version):
    empty.sql("CREATE EXTENSION vector")
    empty.sql(f"CREATE EXTENSION pgai_rs VERSION '{version}'")
    before = empty.sql(OBJECTS)
    empty.sql("ALTER EXTENSION pgai_rs UPDATE")
    assert empty.sql(OBJECTS) == db.sql(OBJECTS) != before
    assert empty.sql(DUMPED) == db.sql(DUMPED)


@pytest.mark.parametrize("version", VERSIONS)
def test_vectorizers_live_through_an_upgrade(empty, stub, version):
    empty.sql("CREATE EXTENSION vector")
    empty.sql(f"CREATE EXTENSION pgai_rs VERSION '{version}'")
    empty.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    vectorizer.create(empty, stub.url)
    empty.sql("INSERT INTO document VALUES (1, 'before|stays'), (2, 'before')")
    vectorizer.in_step(empty, ["id"])
    with stub.held():
        empty.sql("INSERT INTO document VALUES (3, 'on the way')")
        empty.sql("ALTER EXTENSION pgai_rs UPDATE")
    empty.sql("UPDATE document SET body = 'after|stays' WHERE id = 1; DELETE FROM document WHERE id = 2")
    vectorizer.in_step(empty, ["id"])
    assert stub.embedded["stays"] == 1
    assert empty.value("SELECT for_superuser FROM ai.vectorizer")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_dump_of_an_earlier_version_is_restored_into_this_one(cluster, empty, stub, version):
    empty.sql("CREATE EXTENSION vector")
    empty.sql(f"CREATE EXTENSION pgai_rs VERSION '{version}'")
    empty.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    vectorizer.create(empty, stub.url)
    empty.sql("INSERT INTO document VALUES (1, 'before|stays'), (2, 'before')")
    vectorizer.in_step(empty, ["id"])
    dump = cluster.run("pg_dump", empty.name)
    stub.forget()
    copy = cluster.create_database(f"{empty.name}_restored")
    try:
        cluster.run("psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={copy.name}", input=dump)
        vectorizer.restored(copy)
        copy.sql("UPDATE document SET body = 'after|stays' WHERE id = 1; DELETE FROM document WHERE id = 2")
        vectorizer.in_step(copy, ["id"])
        assert set(stub.embedded) == {"after"}
        assert copy.value("SELECT for_superuser FROM ai.vectorizer")
        assert copy.value("SELECT relrowsecurity FROM pg_class WHERE oid = 'ai.vectorizer'::regclass")
    finally:
        copy.drop()


# Of what the extension's objects depend on, that which is neither its own, nor pgvector's, nor Postgres's.
STRANGERS = """
    SELECT DISTINCT pg_describe_object(d.refclassid, d.refobjid, 0) FROM pg_depend d
    LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
    LEFT JOIN pg_policy y ON d.classid = 'pg_policy'::regclass AND y.oid = d.objid
    JOIN pg_depend m ON m.deptype = 'e' AND m.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pgai_rs')
        AND (m.classid, m.objid) IN ((d.classid, d.objid), ('pg_class'::regclass, r.ev_class),
                                   ('pg_class'::regclass, y.polrelid))
    WHERE d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass) AND d.deptype = 'n'
      AND NOT EXISTS (SELECT FROM pg_depend o WHERE (o.classid, o.objid) = (d.refclassid, d.refobjid) AND o.deptype = 'e')
      AND d.refobjid >= 16384
"""

# They fit better than Postgres's own where an argument is not exactly of its type.
PLANTED = """
    CREATE FUNCTION format(text, name, name) RETURNS text LANGUAGE sql AS $$SELECT 'planted'$$;
    CREATE FUNCTION format(text, text, name) RETURNS text LANGUAGE sql AS $$SELECT 'planted'$$;
    CREATE FUNCTION unnest(name[]) RETURNS SETOF name LANGUAGE sql AS $$SELECT 'planted'::name$$;
    CREATE FUNCTION joined(text, int4) RETURNS text LANGUAGE sql AS $$SELECT 'planted'$$;
    CREATE OPERATOR || (FUNCTION = joined, LEFTARG = text, RIGHTARG = int4);
"""


@pytest.mark.parametrize("version", VERSIONS)
def test_an_upgraded_database_calls_nothing_that_was_planted(empty, version):
    empty.sql(f"CREATE EXTENSION vector; {PLANTED}")
    empty.sql(f"CREATE EXTENSION pgai_rs VERSION '{version}'")
    assert empty.sql(STRANGERS)
    assert said_by_the_upgrade(empty) == ["functions and views of pgai_rs have called what is not its own"]
    assert empty.sql(STRANGERS) == []


def test_a_table_under_the_name_of_one_to_come_is_not_read_before_an_upgrade(empty, stub):
    """0.2.0 let others make such tables, and the library serves its objects until they are upgraded."""
    empty.sql("CREATE EXTENSION vector; CREATE EXTENSION pgai_rs VERSION '0.2.0'; CREATE ROLE planter")
    try:
        empty.sql("""
            CREATE TABLE ran (as_whom name);
            CREATE FUNCTION noted() RETURNS text LANGUAGE plpgsql AS
                $$ BEGIN INSERT INTO public.ran VALUES (current_user); RETURN ''; END $$;
            CREATE FUNCTION folded(int) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN public.noted(); END $$;
            CREATE TABLE ai._secret (name text, base_url text, sealed bytea);
            CREATE INDEX ON ai._secret ((folded(1) || name));
            ALTER TABLE ai._secret OWNER TO planter; TRUNCATE ran;
            CREATE TABLE document (id int PRIMARY KEY, body text)
        """)
        vectorizer.create(empty, stub.url)
        empty.sql("INSERT INTO document VALUES (1, 'one')")
        vectorizer.in_step(empty, ["id"])
        assert empty.sql("SELECT * FROM ran") == []
    finally:
        empty.sql("DROP OWNED BY planter; DROP ROLE planter")


def test_an_upgrade_says_what_else_is_in_the_schema(empty):
    empty.sql("CREATE EXTENSION vector; CREATE EXTENSION pgai_rs VERSION '0.2.0'")
    empty.sql("CREATE VIEW ai.more AS SELECT 1; CREATE FUNCTION ai.more() RETURNS int LANGUAGE sql RETURN 1")
    assert said_by_the_upgrade(empty) == ["the schema ai has something that is not of pgai_rs"]


@pytest.mark.parametrize("signature", [
    "embedding_voyageai(text,integer,text,text)",
    # Of names that are new, which fit calls better than what comes by those.
    "search(text,text)", "set_budget(integer,text,text,text,name,text)", "alter_vectorizer(text)", "_model_of(jsonb)",
])
def test_an_upgrade_refuses_functions_of_others_by_the_names_of_its_own(keeper, empty, signature):
    empty.sql(f"CREATE FUNCTION ai.{signature} RETURNS jsonb LANGUAGE sql RETURN '{{}}'::jsonb", user=keeper)
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="by the names of pgai_rs's own") as refused:
        empty.sql("ALTER EXTENSION pgai_rs UPDATE")
    assert f"function ai.{signature} of {keeper}" in refused.value.diag.message_detail
    empty.sql(f"DROP FUNCTION ai.{signature}")
    assert f"roles that are no superusers may create objects in the schema ai: {keeper}" in said_by_the_upgrade(empty)


def test_an_upgrade_says_nothing_of_what_vectorizers_and_sources_have_there(empty):
    empty.sql("CREATE EXTENSION vector; CREATE EXTENSION pgai_rs VERSION '0.2.0'")
    empty.sql("SELECT ai.create_s3_source('object', 's3://bucket/', schedule => NULL); SELECT ai.disable_s3_source(1)")
    vectorizer.create(empty, "", "object", embedding="ai.embedding_openai('m', 8)", loading="ai.loading_uri('uri')")
    assert said_by_the_upgrade(empty) == []


@pytest.fixture
def keeper(empty) -> str:
    """A role that has made something of its own in a database of 0.2.0."""
    role = f"keeper_{empty.name}"
    empty.sql("CREATE EXTENSION vector; CREATE EXTENSION pgai_rs VERSION '0.2.0'; CREATE SCHEMA k")
    empty.sql(f"CREATE ROLE {role} LOGIN; GRANT ALL ON SCHEMA ai, k TO {role}; SELECT ai.grant_vectorizer_usage('{role}')")
    yield role
    empty.sql(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


@pytest.mark.parametrize("made, words, mended", [
    ("CREATE VIEW k.watch AS SELECT name FROM ai.vectorizer_status",
     "view k.watch of {} depends on view ai.vectorizer_status.", "DROP VIEW k.watch"),
    ("CREATE MATERIALIZED VIEW k.watch AS SELECT 1 FROM ai.vectorizer_errors",
     "materialized view k.watch of {} depends on view ai.vectorizer_errors.", "DROP MATERIALIZED VIEW k.watch"),
    ("CREATE FUNCTION k.watch() RETURNS SETOF ai.vectorizer_errors LANGUAGE plpgsql AS 'BEGIN END'",
     "function k.watch() of {} depends on type ai.vectorizer_errors.", "DROP FUNCTION k.watch"),
    ("CREATE FUNCTION k.watch() RETURNS int8 LANGUAGE sql RETURN (SELECT count(*) FROM ai.vectorizer_status)",
     "function k.watch() of {} depends on view ai.vectorizer_status.", "DROP FUNCTION k.watch"),
    ("CREATE VIEW k.watch AS SELECT ai.destination_table('d') AS destination",
     "view k.watch of {} depends on function ai.destination_table(name,name,name,name,name).", "DROP VIEW k.watch"),
    ("CREATE FUNCTION k.watch(parsing jsonb DEFAULT ai.parsing_auto()) RETURNS jsonb LANGUAGE sql RETURN parsing",
     "function k.watch(jsonb) of {} depends on function ai.parsing_auto().", "DROP FUNCTION k.watch"),
    ("CREATE TABLE k.kept (what ai.vectorizer_errors[])",
     "column what of table k.kept of {} depends on type ai.vectorizer_errors[].", "DROP TABLE k.kept"),
    ("CREATE TABLE ai.secrets (id int)", "table ai.secrets of {} has a name that the extension needs.",
     "ALTER TABLE ai.secrets SET SCHEMA k"),
    ("CREATE VIEW ai._secret AS SELECT 1", "view ai._secret of {} has a name that the extension needs.",
     "ALTER VIEW ai._secret RENAME TO other"),
    ("CREATE TYPE ai._vectorizer_binding AS ENUM ()", "type ai._vectorizer_binding of {} has a name that the extension needs.",
     "DROP TYPE ai._vectorizer_binding"),
    ("CREATE FUNCTION ai.drop_secret(name text) RETURNS void LANGUAGE sql AS ''",
     "function ai.drop_secret(text) of {} has a name that the extension needs.", "DROP FUNCTION ai.drop_secret"),
])
def test_an_upgrade_says_what_of_others_is_in_its_way(empty, keeper, made, words, mended):
    empty.sql(made, user=keeper)
    with pytest.raises(psycopg.errors.DependentObjectsStillExist) as refusal:
        empty.sql("ALTER EXTENSION pgai_rs UPDATE")
    assert refusal.value.diag.message_primary == "something that is not of pgai_rs is in the way of its new version"
    assert refusal.value.diag.message_detail == words.format(keeper)
    assert "ALTER EXTENSION pgai_rs UPDATE" in refusal.value.diag.message_hint
    empty.sql(mended)
    empty.sql("ALTER EXTENSION pgai_rs UPDATE")


def test_a_queue_of_a_name_that_the_extension_needs_is_moved_out_of_the_way(empty, keeper, stub):
    empty.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    vectorizer.create(empty, stub.url, name="'mine'")
    # 0.2.0 took any name.
    empty.sql("ALTER TABLE ai._vectorizer_q_1 RENAME TO secrets; UPDATE ai.vectorizer SET queue_table = 'secrets'")
    with pytest.raises(psycopg.errors.DependentObjectsStillExist) as refusal:
        empty.sql("ALTER EXTENSION pgai_rs UPDATE")
    assert refusal.value.diag.message_detail == (
        "table ai.secrets of postgres, the queue of vectorizer mine, has a name that the extension needs.")
    # As the hint has it.
    assert "UPDATE ai.vectorizer SET queue_table" in refusal.value.diag.message_hint
    empty.sql("ALTER TABLE ai.secrets RENAME TO waiting; UPDATE ai.vectorizer SET queue_table = 'waiting' WHERE queue_table = 'secrets'")
    empty.sql("ALTER EXTENSION pgai_rs UPDATE")
    empty.sql("INSERT INTO document VALUES (1, 'one')")
    vectorizer.in_step(empty, ["id"])


def test_an_upgrade_knows_all_names_that_are_new(empty, db):
    """Each that a fresh database has and one of 0.2.0 has not is refused by name."""
    names = """
        SELECT d.classid::regclass::text, pg_describe_object(d.classid, d.objid, 0) FROM pg_depend d
        JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
        WHERE e.extname = 'pgai_rs' AND d.deptype = 'e' AND d.classid IN ('pg_class'::regclass, 'pg_proc'::regclass)
    """
    empty.sql("CREATE EXTENSION vector; CREATE EXTENSION pgai_rs VERSION '0.2.0'")
    new = set(db.sql(names)) - set(empty.sql(names))
    assert len(new) > 5
    for kind, name in sorted(new):
        named = name.partition(" ")[2]
        make = f"CREATE FUNCTION {named} RETURNS void LANGUAGE sql AS ''" if kind == "pg_proc" else f"CREATE TABLE {named} ()"
        with empty.connect(autocommit=False) as connection:
            connection.execute(make)
            with pytest.raises(psycopg.errors.DependentObjectsStillExist) as refusal:
                connection.execute("ALTER EXTENSION pgai_rs UPDATE")
            # The upgrade's path is pinned: it names pgvector's schema.
            detail = refusal.value.diag.message_detail.replace("public.vector", "vector")
            assert f"{named} of postgres has a name that the extension needs." in detail, name
            connection.rollback()


@pytest.mark.parametrize("planted, words", [
    ("CREATE TRIGGER planted AFTER UPDATE ON ai.vectorizer EXECUTE FUNCTION planted()", "ai.vectorizer has the trigger planted"),
    ("CREATE RULE planted AS ON UPDATE TO ai.vectorizer DO ALSO NOTIFY heard", "ai.vectorizer has the rule planted"),
    ("CREATE POLICY planted ON ai.vectorizer USING (true)", "ai.vectorizer has the policy planted"),
    ("CREATE TABLE planted () INHERITS (ai.vectorizer)", "planted inherits from ai.vectorizer"),
    ("ALTER TABLE ai.vectorizer ALTER disabled SET DEFAULT planted(1)", "ai.vectorizer calls function public.planted(integer)"),
    ("ALTER TABLE ai.vectorizer ADD CHECK (planted(id))", "ai.vectorizer calls function public.planted(integer)"),
    ("CREATE INDEX ON ai.vectorizer (planted(id))", "ai.vectorizer calls function public.planted(integer)"),
    ("ALTER TABLE ai.vectorizer OWNER TO planter", "ai.vectorizer belongs to a role that is no superuser"),
])
def test_an_upgrade_runs_nothing_that_was_planted_in_the_catalog(empty, planted, words):
    empty.sql("CREATE EXTENSION vector; CREATE EXTENSION pgai_rs VERSION '0.2.0'")
    empty.sql("""
        CREATE TABLE ran (what text);
        CREATE FUNCTION planted() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN INSERT INTO public.ran VALUES ('trigger'); RETURN NULL; END $$;
        CREATE FUNCTION planted(int) RETURNS bool IMMUTABLE LANGUAGE sql RETURN true
    """)
    empty.sql("CREATE ROLE planter")
    try:
        empty.sql(planted)
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState) as refusal:
            empty.sql("ALTER EXTENSION pgai_rs UPDATE")
        assert words in refusal.value.diag.message_detail
        assert empty.sql("SELECT * FROM ran") == []
    finally:
        empty.sql("REASSIGN OWNED BY planter TO CURRENT_USER; DROP ROLE planter")


def test_an_upgrade_says_whose_new_vectors_have_another_length(empty):
    empty.sql("CREATE EXTENSION vector; CREATE EXTENSION pgai_rs VERSION '0.2.0'")
    for name, dimensions in [("short", 768), ("whole", 3072)]:
        empty.sql(f"CREATE TABLE {name} (id int PRIMARY KEY, body text)")
        embedding = f"ai.embedding_litellm('gemini/gemini-embedding-001', {dimensions})"
        vectorizer.create(empty, "", source=name, name=f"'{name}'", embedding=embedding)
    assert said_by_the_upgrade(empty) == ["new vectors of these vectorizers have another length than those that are there: short"]


def test_an_upgrade_says_whose_chunks_row_security_does_not_reach(empty, stub):
    empty.sql("CREATE EXTENSION vector; CREATE EXTENSION pgai_rs VERSION '0.2.0'")
    empty.sql("CREATE TABLE document (id int PRIMARY KEY, body text); ALTER TABLE document ENABLE ROW LEVEL SECURITY")
    vectorizer.create(empty, stub.url)
    # As 0.2.0 leaves it.
    empty.sql("ALTER TABLE document_embedding_store DISABLE ROW LEVEL SECURITY")
    assert said_by_the_upgrade(empty) == ["row security does not hold for the chunks of these tables: public.document"]
    secured = "SELECT relrowsecurity FROM pg_class WHERE oid = 'document_embedding_store'::regclass"
    assert not empty.value(secured)
    empty.sql("ALTER TABLE document ENABLE ROW LEVEL SECURITY")
    assert empty.value(secured)


def said_by_the_upgrade(db) -> list[str]:
    said = []
    with db.connect() as connection:
        connection.add_notice_handler(lambda notice: said.append(notice.message_primary))
        connection.execute("ALTER EXTENSION pgai_rs UPDATE")
    return said


@pytest.fixture
def had_rights(empty, cluster, stub):
    """Roles of a database of 0.2.0, by what they had there."""
    roles = {what: f"{what}_{empty.name}" for what in ("owner", "team", "lister", "user", "stranger", "watcher")}
    for role in roles.values():
        cluster.sql(f"CREATE ROLE {role} LOGIN")
    empty.sql("CREATE EXTENSION vector; CREATE EXTENSION pgai_rs VERSION '0.2.0'; GRANT CREATE ON SCHEMA public TO PUBLIC")
    # An owner who may use the schema by membership alone.
    for role in ("owner", "lister"):
        empty.sql(f"GRANT {roles['team']} TO {roles[role]}")
    empty.sql(f"GRANT USAGE ON SCHEMA ai TO {roles['team']}, {roles['user']}, {roles['watcher']}")
    empty.sql(f"GRANT SELECT ON ai._vectorizer_errors TO {roles['watcher']}")
    egress.allow(cluster, stub.url)
    egress.allow_objects(cluster, "s3://")
    empty.sql("CREATE TABLE document (id int PRIMARY KEY, body text)", user=roles["owner"])
    vectorizer.create(empty, stub.url, user=roles["owner"])
    empty.sql("SELECT ai.create_s3_source('listed', 's3://b/', schedule => NULL)", user=roles["lister"])
    yield roles
    egress.allow_nothing(cluster)
    for role in roles.values():
        empty.sql(f"DROP OWNED BY {role} CASCADE")
    for role in roles.values():
        cluster.sql(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


def may(db, role: str) -> set[bool]:
    """Whether it may declare what the server fetches and sends: all of it, or nothing."""
    functions = ["embedding_openai", "embedding_ollama", "embedding_voyageai", "embedding_litellm", "rerank_cohere", "rerank_tei",
                 "loading_uri", "create_s3_source"]
    look = "SELECT DISTINCT has_function_privilege(%s, p.oid, 'EXECUTE') FROM pg_proc p WHERE p.oid = ANY (%s::regproc[])"
    return {answer for [answer] in db.sql(look, [role, [f"ai.{name}" for name in functions]])}


def test_who_could_declare_before_an_upgrade_can_after_it(empty, cluster, had_rights):
    owner, stranger = had_rights["owner"], had_rights["stranger"]
    kept = sorted(role for what, role in had_rights.items() if what != "stranger")
    assert said_by_the_upgrade(empty) == [f"roles that keep the right to declare vectorizers and S3 sources: {', '.join(kept)}"]
    assert {role: may(empty, role) for role in had_rights.values()} == {role: {role != stranger} for role in had_rights.values()}
    empty.sql("INSERT INTO document VALUES (1, 'after')", user=owner)
    vectorizer.in_step(empty, ["id"])

    # What was declared under the lists stays so.
    assert empty.sql("SELECT for_superuser FROM ai.vectorizer UNION ALL SELECT for_superuser FROM ai.s3_source") == [(False,)] * 2

    # By their own grants, which a dump has: those of an extension's script it leaves out.
    empty.sql(f"REVOKE {had_rights['team']} FROM {owner}, {had_rights['lister']}")
    dump = cluster.run("pg_dump", empty.name)
    copy = cluster.create_database(f"{empty.name}_restored")
    try:
        cluster.run("psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={copy.name}", input=dump)
        assert {role: may(copy, role) for role in had_rights.values()} == {role: {role != stranger} for role in had_rights.values()}
        assert copy.value("SELECT has_table_privilege(%s, 'ai._vectorizer_missed', 'SELECT')", [had_rights["watcher"]])
    finally:
        copy.drop()


def test_an_upgrade_removes_what_stands_before_an_at_sign(empty, stub):
    empty.sql("CREATE EXTENSION vector; CREATE EXTENSION pgai_rs VERSION '0.2.0'")
    empty.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    vectorizer.create(empty, stub.url)
    url = stub.url.replace("http://", "http://somebody:p@ss@")
    empty.sql("UPDATE ai.vectorizer SET config = jsonb_set(config, '{embedding,base_url}', to_jsonb(%s::text))", [url])
    empty.sql("ALTER EXTENSION pgai_rs UPDATE")
    assert empty.value("SELECT config #>> '{embedding,base_url}' FROM ai.vectorizer") == stub.url
    empty.sql("INSERT INTO document VALUES (1, 'a')")
    vectorizer.in_step(empty, ["id"])


def test_what_was_released_stays_as_it_is():
    sums = dict(line.split()[::-1] for line in (RELEASED / "SHA256SUMS").read_text().splitlines())
    # With what leads from one to the next.
    scripts = [path for path in RELEASED.parent.glob("pgai_rs--*--*.sql") if path.stem.split("--")[2] in VERSIONS]
    frozen = [*RELEASED.glob("*.sql"), *scripts]
    assert sums == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in frozen}
