"""Declared is not allowed: who may have the server fetch and send, and what they may without being told more.

Mallory has USAGE on `ai`, a schema of her own, and no other right. See "Between roles" in docs/security.md.
"""

import json

import psycopg
import pytest
from support import egress, vectorizer
from support.wait import eventually, settles

ROLE_ARN = "arn:aws:iam::123456789012:role/documents"


@pytest.fixture
def mallory(db):
    role = f"mallory_{db.name}"
    db.sql(f"CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA ai TO {role}; CREATE SCHEMA m AUTHORIZATION {role}")
    db.sql("CREATE TABLE m.t (id int PRIMARY KEY, body text)", user=role)
    yield role
    egress.allow_nothing(db.cluster)
    db.sql(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


def refusal(db, role: str, statement: str) -> psycopg.errors.Diagnostic:
    """What a statement is refused with; that it is refused is the point."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege) as raised:
        db.sql(statement, user=role)
    return raised.value.diag


def grant_of(hint: str) -> str:
    """The statement that a refusal's hint names first."""
    return hint.partition("; or")[0]


def declare(embedding: str, loading: str = "ai.loading_column('body')") -> str:
    return f"SELECT ai.create_vectorizer('m.t'::regclass, loading => {loading}, embedding => {embedding})"


# Who may send


def written_by_hand(implementation: str, **more) -> str:
    """A config as a builder would make it."""
    config = {"config_type": "embedding", "implementation": implementation, "model": "m", "dimensions": 8} | more
    return f"'{json.dumps(config)}'::jsonb"


OPENAI = written_by_hand("openai", api_key_name="OPENAI_API_KEY")
OLLAMA = written_by_hand("ollama")
VOYAGEAI = written_by_hand("voyageai", input_type="document", api_key_name="VOYAGE_API_KEY")
LITELLM = written_by_hand("litellm", model="cohere/embed-v4.0", dimensions=256)

# What sends, or declares that something is to be sent, by the function that it takes the right to.
SENDS = {
    "embedding_openai": [
        "SELECT ai.embedding_openai('m', 8)",
        "SELECT ai.openai_embed('m', 'text')",
        "SELECT ai.openai_embed('m', 'text', api_key => 'mine')",
        "SELECT ai.openai_embed('m', ARRAY[1, 2])",
        "SELECT * FROM ai.openai_embed('m', ARRAY['a', 'b'])",
        f"SELECT ai.vectorizer_embed({OPENAI}, 'text')",
        f"SELECT ai._embed({OPENAI}, 'text', NULL)",
        f"SELECT ai._embed_tokens({OPENAI}, ARRAY[1, 2], NULL)",
        f"SELECT * FROM ai._embed_all({OPENAI}, ARRAY['a', 'b'], NULL)",
        f"SELECT ai._validate_embedding({OPENAI})",
        declare(OPENAI),
    ],
    "embedding_ollama": [
        "SELECT ai.embedding_ollama('m', 8)",
        "SELECT ai.ollama_embed('m', 'text')",
        f"SELECT ai.vectorizer_embed({OLLAMA}, 'text')",
        declare(OLLAMA),
    ],
    "embedding_voyageai": [
        "SELECT ai.embedding_voyageai('m', 8)",
        "SELECT ai.voyageai_embed('m', 'text')",
        "SELECT * FROM ai.voyageai_embed('m', ARRAY['a', 'b'])",
        f"SELECT ai.vectorizer_embed({VOYAGEAI}, 'text')",
        declare(VOYAGEAI),
    ],
    "embedding_litellm": [
        "SELECT ai.embedding_litellm('cohere/embed-v4.0', 8)",
        "SELECT ai.litellm_embed('cohere/embed-v4.0', 'text')",
        "SELECT ai.litellm_embed('cohere/embed-v4.0', 'text', api_key => 'mine')",
        "SELECT * FROM ai.litellm_embed('cohere/embed-v4.0', ARRAY['a', 'b'])",
        f"SELECT ai.vectorizer_embed({LITELLM}, 'text')",
        declare(LITELLM),
    ],
}


@pytest.mark.parametrize("function, statement", [(name, one) for name, all_ in SENDS.items() for one in all_])
def test_nobody_sends_without_being_granted_it(db, mallory, function, statement):
    assert refusal(db, mallory, statement).message_primary == f"permission denied for function {function}"
    # The right to another provider is none to this one.
    others = ", ".join(f"ai.{name}" for name in SENDS if name != function)
    db.sql(f"GRANT EXECUTE ON FUNCTION {others} TO {mallory}")
    assert refusal(db, mallory, statement).message_primary == f"permission denied for function {function}"


@pytest.mark.parametrize("prefix, function", [
    ("", "embedding_openai"), ("openai/", "embedding_openai"), ("ollama/", "embedding_ollama"), ("voyage/", "embedding_voyageai"),
])
def test_another_name_for_a_provider_is_no_way_around_its_right(db, mallory, prefix, function):
    db.sql(f"GRANT EXECUTE ON FUNCTION ai.embedding_litellm TO {mallory}")
    for statement in [f"SELECT ai.litellm_embed('{prefix}m', 'text')", declare(f"ai.embedding_litellm('{prefix}m', 8)")]:
        assert refusal(db, mallory, statement).message_primary == f"permission denied for function {function}"


@pytest.mark.parametrize("config", [OPENAI, OLLAMA, VOYAGEAI, LITELLM])
def test_a_refusal_names_the_grant_that_is_missing(db, mallory, config):
    said = refusal(db, mallory, f"SELECT ai._validate_embedding({config})")
    assert mallory in said.message_detail and f"ai.grant_vectorizer_usage('{mallory}')" in said.message_hint
    db.sql(grant_of(said.message_hint))
    if config is OLLAMA:
        egress.allow(db.cluster, "http://localhost:11434")
    db.sql(f"SELECT ai._validate_embedding({config})", user=mallory)


def test_nobody_fetches_without_being_granted_it(db, mallory, stub):
    egress.allow(db.cluster, stub.url)
    egress.allow_objects(db.cluster, "s3://")
    db.sql(f"GRANT EXECUTE ON FUNCTION ai.embedding_openai TO {mallory}")
    embedding = f"ai.embedding_openai('m', 8, base_url => '{stub.url}')"
    by_hand = """'{"config_type": "loading", "implementation": "uri", "column_name": "body", "retries": 6}'::jsonb"""
    for statement in [
        "SELECT ai.loading_uri('body')",
        f"SELECT ai._validate_loading({by_hand}, 'm', 't')",
        declare(embedding, by_hand),
    ]:
        said = refusal(db, mallory, statement)
        assert said.message_primary == "permission denied for function loading_uri", statement
    said_by_source = refusal(db, mallory, "SELECT ai.create_s3_source('m.listed', 's3://b/')")
    assert said_by_source.message_primary == "permission denied for function create_s3_source"

    db.sql(grant_of(said.message_hint))
    db.sql(declare(embedding, by_hand), user=mallory)


def test_what_was_declared_for_a_role_takes_its_own_right(db, mallory, stub):
    """A superuser may declare for others, and does so within their rights; and tables change hands."""
    embedding = f"ai.embedding_openai('stub', {vectorizer.DIMENSIONS}, base_url => '{stub.url}')"
    assert mallory in refusal(db, "postgres", declare(embedding)).message_detail

    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    number = vectorizer.create(db, stub.url)
    egress.allow(db.cluster, stub.url)
    queue = [f"ai._vectorizer_{kind}_{number}" for kind in ("q", "work", "q_failed")]
    for table in ["document", "document_embedding_store", "document_embedding", *queue]:
        db.sql(f"ALTER TABLE {table} OWNER TO {mallory}")
    db.sql("INSERT INTO document VALUES (1, 'a')")
    settles(lambda: state(db), ("not_served", "permission denied for function embedding_openai"), what="the refusal")
    assert stub.embedded["a"] == 0


def test_a_planted_function_of_the_same_name_is_no_right(db, mallory):
    """Whoever may create in the schema, as pgai's installer wants it, has no rights by that."""
    db.sql(f"GRANT CREATE ON SCHEMA ai TO {mallory}")
    db.sql("CREATE FUNCTION ai.embedding_openai() RETURNS jsonb LANGUAGE sql AS $$SELECT '{}'::jsonb$$", user=mallory)
    db.sql("CREATE FUNCTION ai.check_s3() RETURNS int LANGUAGE sql AS $$SELECT 1$$", user=mallory)
    assert refusal(db, mallory, declare(OPENAI)).message_primary == "permission denied for function embedding_openai"
    # Neither are others kept from theirs.
    team = f"team_{db.name}"
    db.sql(f"CREATE ROLE {team}; SELECT ai.grant_vectorizer_usage('{team}', admin => true)")
    try:
        look = "SELECT has_function_privilege(%s, 'ai.embedding_openai(text, int, text, text, text)', 'EXECUTE')"
        assert [db.value(look, [role]) for role in (team, mallory)] == [True, False]
    finally:
        db.sql(f"DROP OWNED BY {team}; DROP ROLE {team}")


def test_a_right_comes_with_membership(db, mallory, stub):
    team = f"team_{db.name}"
    db.sql(f"CREATE ROLE {team}; SELECT ai.grant_vectorizer_usage('{team}'); GRANT {team} TO {mallory}")
    try:
        egress.allow(db.cluster, stub.url)
        works_until(db, mallory, stub, f"REVOKE {team} FROM {mallory}", f"GRANT {team} TO {mallory}")
    finally:
        db.sql(f"DROP OWNED BY {team}; DROP ROLE {team}")


def test_a_right_that_is_taken_back_stops_what_was_declared(db, mallory, stub):
    egress.allow(db.cluster, stub.url)
    db.sql(f"SELECT ai.grant_vectorizer_usage('{mallory}')")
    function = "EXECUTE ON FUNCTION ai.embedding_openai"
    works_until(db, mallory, stub, f"REVOKE {function} FROM {mallory}", f"GRANT {function} TO {mallory}")


def test_a_right_of_an_extension_that_was_created_anew_is_heard_of(cluster_factory, stub):
    """The same worker serves more of its functions than it can have at a time, and hears of nothing but the REVOKE."""
    quiet = {"pgai_rs.poll_interval": "1h", "pgai_rs.heartbeat_interval": "1h", "autovacuum": "off"}
    db = cluster_factory(conf=egress.settings(stub.url) | quiet).create_database("house")
    db.sql("CREATE EXTENSION pgai_rs CASCADE; CREATE ROLE mallory LOGIN; CREATE SCHEMA m AUTHORIZATION mallory")
    db.sql("CREATE TABLE m.t (id int PRIMARY KEY, body text)", user="mallory")
    workers = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'pgai_rs worker'"
    first = eventually(lambda: db.sql(workers), what="the worker")
    for _ in range(12):
        db.sql("DROP EXTENSION pgai_rs CASCADE; DROP VIEW IF EXISTS m.t_embedding; DROP TABLE IF EXISTS m.t_embedding_store;"
               "TRUNCATE m.t; CREATE EXTENSION pgai_rs; SELECT ai.grant_vectorizer_usage('mallory')")
        vectorizer.create(db, stub.url, "m.t", user="mallory")
        db.sql("INSERT INTO m.t VALUES (1, 'first')", user="mallory")
        vectorizer.in_step(db, ["id"], source="m.t", store="m.t_embedding_store")
    assert db.sql(workers) == first
    db.sql("REVOKE EXECUTE ON FUNCTION ai.embedding_openai FROM mallory")
    settles(lambda: state(db), ("not_served", "permission denied for function embedding_openai"), what="the refusal")


def works_until(db, role: str, stub, revoke: str, grant: str) -> None:
    """A vectorizer works, is stopped by the one, and goes on with the other."""
    vectorizer.create(db, stub.url, "m.t", user=role)
    db.sql("INSERT INTO m.t VALUES (1, 'first')", user=role)
    vectorizer.in_step(db, ["id"], source="m.t", store="m.t_embedding_store")
    assert db.sql("SELECT ai.vectorizer_embed(1, 'question') IS NOT NULL", user=role) == [(True,)]

    db.sql(revoke)
    db.sql("INSERT INTO m.t VALUES (2, 'second')", user=role)
    settles(lambda: state(db), ("not_served", "permission denied for function embedding_openai"), what="the refusal")
    assert role in db.value("SELECT hint FROM ai.vectorizer_health")
    # Neither does a question go out by it, whoever asks.
    for who in [role, "postgres"]:
        assert "embedding_openai" in refusal(db, who, "SELECT ai.vectorizer_embed(1, 'another')").message_primary
    assert stub.embedded["second"] == stub.embedded["another"] == 0

    db.sql(grant)
    db.sql("INSERT INTO m.t VALUES (3, 'third')", user=role)
    vectorizer.in_step(db, ["id"], source="m.t", store="m.t_embedding_store")


def state(db) -> tuple:
    [row] = db.sql("SELECT state, split_part(reason, ' (', 1) FROM ai.vectorizer_health")
    return row


def test_a_grant_and_its_end_are_heard_of_at_once(cluster_factory, stub):
    """Nothing else wakes the worker for an hour."""
    slow = {"pgai_rs.poll_interval": "1h", "pgai_rs.heartbeat_interval": "1h"}
    db = cluster_factory(conf=egress.settings(stub.url) | slow).create_database("house")
    db.sql("CREATE EXTENSION pgai_rs CASCADE; CREATE ROLE mallory LOGIN; CREATE SCHEMA m AUTHORIZATION mallory")
    db.sql("SELECT ai.grant_vectorizer_usage('mallory')")
    db.sql("CREATE TABLE m.t (id int PRIMARY KEY, body text)", user="mallory")
    vectorizer.create(db, stub.url, "m.t", user="mallory")
    db.sql("INSERT INTO m.t VALUES (1, 'first')", user="mallory")
    vectorizer.in_step(db, ["id"], source="m.t", store="m.t_embedding_store")
    for function in ["FUNCTION ai.embedding_openai", "ALL FUNCTIONS IN SCHEMA ai"]:
        db.sql(f"REVOKE EXECUTE ON {function} FROM mallory")
        settles(lambda: state(db), ("not_served", "permission denied for function embedding_openai"), what="the refusal")
        db.sql("GRANT EXECUTE ON FUNCTION ai.embedding_openai TO mallory")
        eventually(lambda: db.sql("SELECT FROM ai.vectorizer_health WHERE state = 'not_served'") == [], what="the grant to be heard of")


def test_a_source_ends_when_its_right_is_taken_back(db, mallory, bucket):
    egress.allow_objects(db.cluster, "s3://")
    db.sql(f"SELECT ai.grant_vectorizer_usage('{mallory}')")
    db.sql(f"SELECT ai.create_s3_source('m.listed', '{bucket.uri('')}', name => 'listed', schedule => NULL)", user=mallory)
    function = "EXECUTE ON FUNCTION ai.create_s3_source"
    expected = []
    for change, error in [
        ("SELECT 1", None),
        (f"REVOKE {function} FROM {mallory}", "permission denied for function create_s3_source"),
        (f"GRANT {function} TO {mallory}", None),
    ]:
        db.sql(change)
        db.sql("SELECT ai.sync_s3_source('listed')", user=mallory)
        expected.append((error,))
        runs = "SELECT split_part(error, ' (', 1) FROM ai.s3_source_runs WHERE finished IS NOT NULL ORDER BY run"
        settles(lambda: db.sql(runs), expected, what="the run to end")


def test_the_lists_bind_a_source_that_was_declared_under_them_whoever_has_it_by_now(db, mallory, bucket):
    egress.allow_objects(db.cluster, "s3://")
    db.sql(f"SELECT ai.grant_vectorizer_usage('{mallory}')")
    db.sql(f"SELECT ai.create_s3_source('m.listed', '{bucket.uri('')}', name => 'listed', schedule => NULL)", user=mallory)
    db.sql(f"REASSIGN OWNED BY {mallory} TO postgres")
    runs = "SELECT left(error, 37) FROM ai.s3_source_runs WHERE finished IS NOT NULL ORDER BY run"
    db.sql("SELECT ai.sync_s3_source('listed')")
    settles(lambda: db.sql(runs), [(None,)], what="the first run to end")
    egress.allow_nothing(db.cluster)
    db.sql("SELECT ai.sync_s3_source('listed')")
    settles(lambda: db.sql(runs), [(None,), ("the server's own AWS credentials may ",)], what="the second run to end")
    # A superuser may take it upon themselves, and what one declares is theirs.
    db.sql("UPDATE ai.s3_source SET for_superuser = true; SELECT ai.sync_s3_source('listed')")
    settles(lambda: db.sql(runs), [(None,), ("the server's own AWS credentials may ",), (None,)], what="the third run to end")
    db.sql(f"SELECT ai.create_s3_source('public.others', '{bucket.uri('x/')}', name => 'others', schedule => NULL)")
    assert db.value("SELECT for_superuser FROM ai.s3_source WHERE name = 'others'")


def test_a_source_of_before_counts_as_declared_for_its_present_owner(db, mallory, bucket):
    """So it is with what comes from a version, or a dump, that does not say whose it was."""
    egress.allow_objects(db.cluster, "s3://")
    db.sql(f"SELECT ai.grant_vectorizer_usage('{mallory}')")
    for name, role in [("hers", mallory), ("ours", "postgres")]:
        db.sql(f"SELECT ai.create_s3_source('m.{name}', '{bucket.uri(name + '/')}', name => '{name}', schedule => NULL)", user=role)
    db.sql("UPDATE ai.s3_source SET for_superuser = NULL")
    declared = "SELECT name::text, for_superuser FROM ai.s3_source ORDER BY name"
    settles(lambda: db.sql(declared), [("hers", False), ("ours", True)], what="the worker to note whose they are")
    db.sql(f"REASSIGN OWNED BY {mallory} TO postgres")
    egress.allow_nothing(db.cluster)
    db.sql("SELECT ai.sync_s3_source('hers'), ai.sync_s3_source('ours')")
    runs = "SELECT left(error, 37) FROM ai.s3_source_runs WHERE finished IS NOT NULL ORDER BY name"
    settles(lambda: db.sql(runs), [("the server's own AWS credentials may ",), (None,)], what="the runs to end")


def test_a_dump_takes_the_rights_along(cluster, db, mallory):
    db.sql(f"SELECT ai.grant_vectorizer_usage('{mallory}'); REVOKE EXECUTE ON FUNCTION ai.loading_uri FROM {mallory}")
    dump = cluster.run("pg_dump", db.name)
    copy = cluster.create_database(f"{db.name}_restored")
    try:
        cluster.run("psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={copy.name}", input=dump)
        assert may(copy, mallory) == {name: name != "loading_uri" for name in RIGHTS}
        assert may(copy, "pg_monitor") == dict.fromkeys(RIGHTS, False)
    finally:
        copy.drop()


RIGHTS = [*SENDS, "loading_uri", "create_s3_source"]


def may(db, role: str) -> dict[str, bool]:
    """Which of the rights a role has."""
    look = "SELECT p.proname::text, has_function_privilege(%s, p.oid, 'EXECUTE') FROM pg_proc p WHERE p.oid = ANY (%s::regproc[])"
    return dict(db.sql(look, [role, [f"ai.{name}" for name in RIGHTS]]))


# What they may without the administrator having said more


@pytest.fixture
def declarer(db, mallory):
    """Mallory, when she may declare whatever there is, and ask how it would go."""
    db.sql(f"SELECT ai.grant_vectorizer_usage('{mallory}'); GRANT EXECUTE ON FUNCTION ai.check_s3 TO {mallory}")
    return mallory


def loading(**arguments: str) -> str:
    return declare("ai.embedding_openai('m', 8)", f"ai.loading_uri('body'{named(arguments)})")


def named(arguments: dict[str, str]) -> str:
    return "".join(f", {name} => {value}" for name, value in arguments.items())


@pytest.mark.parametrize("arguments", [{}, {"region": "'eu-west-1'"}, {"anonymous": "true"}])
def test_no_object_is_loaded_that_no_list_allows(db, declarer, arguments):
    for statement, wanted in [
        (loading(**arguments), "s3://bucket/prefix/"),
        (f"SELECT ai.create_s3_source('m.listed', 's3://b/x/'{named(arguments)})", "s3://b/x/"),
        (f"SELECT * FROM ai.check_s3('s3://b/k'{named(arguments)})", "s3://b/k"),
    ]:
        said = refusal(db, declarer, statement)
        assert "only where this server allows it" in said.message_primary, statement
        assert f"add {wanted} to pgai_rs.allowed_uris" in said.message_hint, statement

    egress.allow_objects(db.cluster, "s3://b/")
    db.sql(loading(**arguments), user=declarer)


def test_no_role_is_assumed_that_no_list_allows(cluster_factory):
    """A role trusts the server, and not one of its tenants: each could name the others'."""
    db = cluster_factory().create_database("house")
    db.sql("CREATE EXTENSION pgai_rs CASCADE; CREATE ROLE mallory LOGIN; CREATE SCHEMA m AUTHORIZATION mallory")
    db.sql("SELECT ai.grant_vectorizer_usage('mallory')")
    db.sql("CREATE TABLE m.t (id int PRIMARY KEY, body text)", user="mallory")
    in_role = {"aws_role_arn": f"'{ROLE_ARN}'"}
    bedrock = declare(f"ai.embedding_litellm('bedrock/amazon.titan-embed-text-v2:0', 256, extra_options => '{{\"aws_role_name\": \"{ROLE_ARN}\", \"aws_region_name\": \"eu-west-1\"}}')")
    source = f"SELECT ai.create_s3_source('m.listed', 's3://b/x/'{named(in_role)})"
    for statement in [loading(**in_role), source, bedrock]:
        assert "pgai_rs.allowed_role_arns" in refusal(db, "mallory", statement).message_hint, statement

    # What the role may read is its own business, if no list says otherwise.
    db.cluster.configure(pgai_rs__allowed_role_arns=ROLE_ARN)
    for statement in [loading(**in_role), source]:
        db.sql(statement, user="mallory")


def test_nobody_invokes_models_with_the_servers_own_credentials(cluster_factory):
    """They may do whatever the server may, and it pays."""
    db = cluster_factory().create_database("house")
    db.sql("CREATE EXTENSION pgai_rs CASCADE; CREATE ROLE mallory LOGIN; CREATE SCHEMA m AUTHORIZATION mallory")
    db.sql("SELECT ai.grant_vectorizer_usage('mallory')")
    db.sql("CREATE TABLE m.t (id int PRIMARY KEY, body text)", user="mallory")
    model = "'bedrock/amazon.titan-embed-text-v2:0'"
    options = """extra_options => '{"aws_region_name": "eu-west-1"}'"""
    bedrock = declare(f"ai.embedding_litellm({model}, 256, {options})")
    for statement in [bedrock, f"SELECT ai.litellm_embed({model}, 'text', {options})"]:
        said = refusal(db, "mallory", statement)
        assert said.message_primary == "the server's own AWS credentials are not allowed for Amazon Bedrock", statement
        assert "AWS_ACCESS_KEY_ID to pgai_rs.api_key_names" in said.message_hint, statement
    db.sql(f"SELECT ai._validate_embedding(ai.embedding_litellm({model}, 256, {options}))")

    at = "AWS_ACCESS_KEY_ID=https://bedrock-runtime.{}.amazonaws.com"
    db.cluster.configure(pgai_rs__api_key_names=at.format("us-east-1"))
    assert "AWS_ACCESS_KEY_ID" in refusal(db, "mallory", bedrock).message_hint
    db.cluster.configure(pgai_rs__api_key_names=at.format("eu-west-1"))
    db.sql(bedrock, user="mallory")
    # What is not allowed any more stops.
    db.cluster.configure(pgai_rs__api_key_names="OPENAI_API_KEY")
    settles(lambda: state(db)[0], "not_served", what="the refusal")


def test_nobody_asks_the_servers_own_ollama_that_nobody_named(cluster_factory):
    db = cluster_factory(env={"OLLAMA_HOST": ""}).create_database("house")
    db.sql("CREATE EXTENSION pgai_rs CASCADE; CREATE ROLE mallory LOGIN; SELECT ai.grant_vectorizer_usage('mallory')")
    for arguments in ["", ", base_url => 'http://localhost:11434'"]:
        validate = f"SELECT ai._validate_embedding(ai.embedding_ollama('m', 8{arguments}))"
        assert "allowed_base_urls" in refusal(db, "mallory", validate).message_hint
    ask = "SELECT ai.ollama_embed('m', 'text')"
    assert "pgai_rs.ollama_base_url" in refusal(db, "mallory", ask).message_hint

    db.cluster.configure(pgai_rs__ollama_base_url="http://localhost:11434")
    db.sql(validate, user="mallory")


def test_the_lists_that_are_empty_do_not_bind_superusers(db, mallory):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    for arguments in ["", ", anonymous => true", f", aws_role_arn => '{ROLE_ARN}'"]:
        db.sql(f"SELECT ai._validate_loading(ai.loading_uri('body'{arguments}), 'public', 'document')")
    db.sql("SELECT ai._validate_embedding(ai.embedding_ollama('m', 8))")


def test_who_is_no_superuser_any_more_has_nothing_loaded(db, declarer, bucket, stub):
    """The lists stay empty: what decides is who the owner is now."""
    egress.allow(db.cluster, stub.url)
    db.sql(f"ALTER ROLE {declarer} SUPERUSER")
    vectorizer.create(db, stub.url, "m.t", loading="ai.loading_uri('body')", user=declarer)
    db.sql("INSERT INTO m.t VALUES (1, %s)", [bucket.put("a.txt", "first")], user=declarer)
    eventually(lambda: db.sql("SELECT chunk FROM m.t_embedding_store") == [("first",)], what="the first object")
    db.sql(f"ALTER ROLE {declarer} NOSUPERUSER")
    db.sql("INSERT INTO m.t VALUES (2, %s)", [bucket.put("b.txt", "second")], user=declarer)
    refused = "the server's own AWS credentials may be used only where this server allows it"
    settles(lambda: state(db), ("not_served", refused), what="the refusal")
    assert "pgai_rs.allowed_uris" in db.value("SELECT hint FROM ai.vectorizer_health")
    assert db.sql("SELECT chunk FROM m.t_embedding_store") == [("first",)]

    egress.allow_objects(db.cluster, bucket.uri(""))
    settles(lambda: sorted(db.sql("SELECT chunk FROM m.t_embedding_store")), [("first",), ("second",)])
