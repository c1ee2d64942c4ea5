"""What a role that may declare vectorizers, and nothing else, tries over the network; see "Over the network" in docs/security.md."""

import json

import psycopg
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from support import egress, vectorizer
from support.listening import listening
from support.wait import eventually, settles

# Most that is sent of an endless answer to a client that has had enough, the system's buffers and retries included.
MOST_TAKEN = 64 << 20

# Ways to write addresses of this host, and of what only machines talk to.
PRIVATE = [
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "0.0.0.0",
    "localhost",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "169.254.169.254",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "10.0.0.1",
    "192.168.0.1",
    "172.16.0.1",
    "100.64.0.1",
]


def make_mallory(db) -> str:
    """A role that may declare vectorizers in a schema of its own, as somebody whom nobody trusts has it.

    And with `ai.check_s3`, which takes the worker's way to S3 and says what it met.
    """
    role = f"mallory_{db.name}"
    db.sql(f"CREATE ROLE {role} LOGIN; SELECT ai.grant_vectorizer_usage('{role}'); CREATE SCHEMA m AUTHORIZATION {role}")
    db.sql(f"GRANT EXECUTE ON FUNCTION ai.check_s3 TO {role}")
    db.sql("CREATE TABLE m.t (id int PRIMARY KEY, body text)", user=role)
    return role


@pytest.fixture
def mallory(db):
    role = make_mallory(db)
    yield role
    db.sql(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


@pytest.fixture
def house(cluster_factory):
    """Makes a database on a cluster with these settings, with a role that nobody trusts, and every object allowed."""

    def make(conf: dict):
        db = cluster_factory(conf={"pgai_rs.allowed_uris": "s3://"} | conf).create_database("house")
        db.sql("CREATE EXTENSION pgai_rs CASCADE")
        return db, make_mallory(db)

    return make


def refusal(db, role: str, statement: str, arguments=None) -> psycopg.Error:
    """The error that a statement ends with; that there is one is the point."""
    with pytest.raises(psycopg.Error) as raised:
        db.sql(statement, arguments, user=role)
    return raised.value


def told(error: psycopg.Error) -> str:
    """All that an error says."""
    return "\n".join(filter(None, [str(error), error.diag.message_detail, error.diag.message_hint]))


# Credentials that a caller brings along


@pytest.fixture(scope="module")
def service_account() -> dict:
    """A service account's key as Google writes it, of nobody."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "type": "service_account",
        "project_id": "p",
        "private_key_id": "1",
        "private_key": pem.decode(),
        "client_email": "me@p.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    }


VERTEX = """
    SELECT ai.litellm_embed('vertex_ai/text-embedding-005', 'text', api_key => %s,
                            extra_options => '{"vertex_project": "p"}')
"""


def test_a_callers_service_account_names_no_server(db, mallory, service_account):
    with listening() as server:
        for token_uri in [server.url(path="/token"), "http://169.254.169.254/latest/meta-data/", "https://evil.example/"]:
            key = json.dumps(service_account | {"token_uri": token_uri})
            error = refusal(db, mallory, VERTEX, [key])
            assert "token_uri is not one of Google's" in str(error), told(error)
        assert server.connections == 0


def test_a_callers_service_account_panics_nowhere(db, mallory, service_account):
    for token_uri in ["http://[", "http:// ", "", "x", "http://h:99999/", "\x01", "https://oauth2.googleapis.com\\@h/"]:
        error = refusal(db, mallory, VERTEX, [json.dumps(service_account | {"token_uri": token_uri})])
        assert "token_uri" in str(error) and "panic" not in told(error), told(error)


def test_a_callers_credentials_of_another_kind_are_not_followed(db, mallory, service_account):
    with listening() as server:
        for changes in [
            {"type": "external_account", "credential_source": {"url": server.url()}, "token_url": server.url()},
            {"type": "external_account", "credential_source": {"executable": {"command": "/bin/true"}}},
            {"type": "authorized_user", "refresh_token": "x"},
            {"universe_domain": f"127.0.0.1:{server.port}"},
        ]:
            error = refusal(db, mallory, VERTEX, [json.dumps(service_account | changes)])
            assert "service account" in str(error), told(error)
        assert server.connections == 0


def test_a_callers_key_is_no_path(db, mallory, service_account, tmp_path):
    file = tmp_path / "account.json"
    with listening() as server:
        file.write_text(json.dumps(service_account | {"token_uri": server.url(path="/token")}))
        file.chmod(0o644)
        errors = {str(refusal(db, mallory, VERTEX, [path])) for path in [str(file), "/no/such/file", "/dev/zero"]}
        # Whether there is such a file can't be told either.
        assert len(errors) == 1 and "must be JSON" in errors.pop()
        assert server.connections == 0


def test_a_callers_key_is_not_repeated(db, mallory, service_account, stub):
    position = db.cluster.log_position()
    secret = "MIIEsecretsecret"
    key = json.dumps(service_account | {"private_key": secret})
    with db.connect(user=mallory) as connection, pytest.raises(psycopg.Error) as raised:
        connection.execute(VERTEX, [key])
    assert secret not in told(raised.value)
    # Its own statement is logged with its parameters, or not, as the administrator wishes; nothing else is.
    lines = [line for line in db.cluster.log_text(position).splitlines() if secret in line]
    assert all("STATEMENT:" in line or "unnamed portal" in line for line in lines), lines


# Keys of the server


def test_a_key_goes_to_no_server_that_it_is_not_paired_with(house, stub):
    db, mallory = house({"pgai_rs.allowed_base_urls": stub.url, "pgai_rs.api_keys": "VOYAGE_API_KEY=pa-secret"})
    config = json.dumps({"base_url": stub.url})
    statements = [
        f"SELECT ai.openai_embed('m', 'text', client_config => '{config}')",
        f"SELECT ai.openai_embed('m', 'text', api_key_name => 'VOYAGE_API_KEY', client_config => '{config}')",
        f"SELECT ai.openai_embed('m', ARRAY['text'], client_config => '{config}')",
        f"SELECT ai.openai_embed('m', ARRAY[1, 2], client_config => '{config}')",
        f"SELECT ai.vectorizer_embed(ai.embedding_openai('m', 8, base_url => '{stub.url}'), 'text')",
        f"SELECT ai.vectorizer_embed(ai.embedding_voyageai('m', 8, base_url => '{stub.url}'), 'text')",
        f"""SELECT ai.litellm_embed('voyage/m', 'text', api_key_name => 'OPENAI_API_KEY',
                                    extra_options => '{{"api_base": "{stub.url}"}}')""",
        f"""SELECT ai.create_vectorizer('m.t'::regclass, loading => ai.loading_column('body'),
                                        embedding => ai.embedding_openai('m', 8, base_url => '{stub.url}'))""",
        "SELECT ai.openai_embed('m', 'text', api_key_name => 'VOYAGE_API_KEY')",
    ]
    for statement in statements:
        error = refusal(db, mallory, statement)
        assert error.sqlstate == "42501" and "pgai_rs.api_key_names" in error.diag.message_hint, (statement, told(error))
    assert stub.requests == []

    # Nobody asked for the key that Cohere's usually has, and so it stays here; a server may want none.
    db.sql(
        f"""SELECT ai.vectorizer_embed(ai.embedding_openai('m', 8, api_key_name => NULL, base_url => '{stub.url}'), 'a')""",
        user=mallory,
    )
    db.cluster.configure(pgai_rs__api_key_names=f"OPENAI_API_KEY={stub.url}")
    db.sql(statements[0], user=mallory)
    assert [request.headers.get("authorization") for request in stub.requests] == [None, "Bearer sk-test"]


def test_a_key_whose_pair_is_taken_back_is_not_sent_any_more(house, stub):
    db, mallory = house(egress.settings(stub.url))
    vectorizer.create(db, stub.url, "m.t", user=mallory)
    db.sql("INSERT INTO m.t VALUES (1, 'first')", user=mallory)
    eventually(lambda: db.sql("SELECT chunk FROM m.t_embedding_store") == [("first",)], what="the first row")
    position = db.cluster.log_position()
    db.cluster.configure(pgai_rs__api_key_names="OPENAI_API_KEY")
    eventually(lambda: "must not be sent to this base_url" in db.cluster.log_text(position), what="the refusal")
    assert_silent(db, stub, mallory)


# Servers


def test_a_url_with_a_way_out_of_its_prefix_is_none(house, stub):
    conf = egress.settings(stub.url) | {
        "pgai_rs.allowed_s3_endpoints": "http://h/v1",
        "pgai_rs.allowed_sqs_queues": "http://h/v1",
    }
    db, mallory = house(conf)
    for tail in ["/../admin", "/%2e%2e/admin", "/./x", "//x", "\\..\\admin", "?x=1", "#x", "/\t"]:
        for statement in [
            f"SELECT ai._validate_embedding(ai.embedding_openai('m', 8, base_url => '{stub.url}{tail}'))",
            f"SELECT * FROM ai.check_s3('s3://b/k', endpoint => 'http://h/v1{tail}')",
        ]:
            error = refusal(db, mallory, statement)
            assert error.sqlstate in ("22023", "42501"), (statement, told(error))
    assert stub.requests == []


def test_what_stands_before_an_at_sign_is_refused_and_not_repeated(db, mallory):
    for statement in [
        "SELECT ai.openai_embed('m', 'x', api_key => 'k', client_config => '{\"base_url\": \"http://u:SECRET@h/v1\"}')",
        """SELECT ai.create_vectorizer('m.t'::regclass, loading => ai.loading_column('body'),
                                       embedding => ai.embedding_openai('m', 8, base_url => 'http://u:SECRET@h/v1'))""",
        "SELECT * FROM ai.check_s3('s3://b/k', endpoint => 'http://u:SECRET@h')",
    ]:
        for role in [mallory, "postgres"]:
            error = refusal(db, role, statement)
            assert error.sqlstate == "22023" and "SECRET" not in told(error), told(error)


def test_an_allowed_scheme_is_not_a_way_into_private_networks(house):
    schemes = {"pgai_rs.allowed_base_urls": "http://", "pgai_rs.allowed_s3_endpoints": "http://"}
    db, mallory = house(schemes)
    with listening(part=b"") as server:
        for host in PRIVATE:
            config = json.dumps({"base_url": server.url(host, "/v1")})
            error = refusal(db, mallory, "SELECT ai.openai_embed('m', 'x', api_key => 'k', client_config => %s)", [config])
            assert "is not allowed" in str(error), (host, told(error))
            assert "pgai_rs.allowed_base_urls" in error.diag.message_hint

            steps = db.sql("SELECT ok, message FROM ai.check_s3('s3://b/k', endpoint => %s)", [server.url(host)], user=mallory)
            assert (False, "the server's address is not allowed") in steps, (host, steps)
        assert server.connections == 0

        # The administrator names the host, and it is the same server.
        db.cluster.configure(pgai_rs__allowed_base_urls=f"http://, {server.url('localhost')}")
        config = json.dumps({"base_url": server.url("localhost", "/v1")})
        refusal(db, mallory, "SELECT ai.openai_embed('m', 'x', api_key => 'k', client_config => %s)", [config])
        assert server.connections > 0


# Answers without an end


def test_a_models_answer_without_an_end_is_cut_off(house):
    for status in [b"200 OK", b"401 Unauthorized"]:
        with listening(head=b"HTTP/1.1 " + status + b"\r\n\r\n") as server:
            db, mallory = house({"pgai_rs.allowed_base_urls": server.url(), "pgai_rs.embedding_retries": "0"})
            config = json.dumps({"base_url": server.url(path="/v1")})
            refusal(db, mallory, "SELECT ai.openai_embed('m', 'x', api_key => 'k', client_config => %s)", [config])
            assert 0 < server.connections and server.taken < MOST_TAKEN, server


@pytest.mark.parametrize("status", [b"200 OK", b"404 Not Found"])
def test_an_answer_of_s3_without_an_end_is_cut_off(house, status):
    with listening(head=b"HTTP/1.1 " + status + b"\r\nContent-Type: application/xml\r\n\r\n") as server:
        db, mallory = house({"pgai_rs.allowed_s3_endpoints": server.url()})
        db.sql("SELECT * FROM ai.check_s3('s3://b/k', endpoint => %s)", [server.url()], user=mallory)
        assert 0 < server.connections and server.taken < MOST_TAKEN * server.connections, server


def test_headers_without_an_end_are_cut_off(house):
    with listening(head=b"HTTP/1.1 200 OK\r\n", part=b"X-More: " + b"x" * 4096 + b"\r\n") as server:
        conf = {"pgai_rs.allowed_base_urls": server.url(), "pgai_rs.allowed_s3_endpoints": server.url()}
        db, mallory = house(conf | {"pgai_rs.embedding_retries": "0"})
        config = json.dumps({"base_url": server.url(path="/v1")})
        refusal(db, mallory, "SELECT ai.openai_embed('m', 'x', api_key => 'k', client_config => %s)", [config])
        db.sql("SELECT * FROM ai.check_s3('s3://b/k', endpoint => %s)", [server.url()], user=mallory)
        assert 0 < server.connections and server.taken < MOST_TAKEN * server.connections, server


# What is allowed is looked at again


def assert_silent(db, stub, role: str) -> None:
    """That nothing of the role's is sent although others' is, to the same server."""
    db.sql("CREATE TABLE control (id int PRIMARY KEY, body text)")
    embedding = f"ai.embedding_openai('control', {vectorizer.DIMENSIONS}, base_url => '{stub.url}')"
    vectorizer.create(db, stub.url, "control", embedding=embedding)
    control_is_served(db, 1)
    # What was sent before has been read by now, too.
    sent = len(of_model(stub, "stub"))
    db.sql("INSERT INTO m.t VALUES (100, 'later')", user=role)
    control_is_served(db, 2)
    assert len(of_model(stub, "stub")) == sent


def control_is_served(db, row: int) -> None:
    db.sql("INSERT INTO control VALUES (%s, 'a')", [row])
    eventually(lambda: db.sql("SELECT FROM control_embedding_store WHERE id = %s", [row]), what="others to be served")


def of_model(stub, name: str) -> list:
    return [request for request in stub.requests if request.model == name]


def test_a_server_that_is_not_allowed_any_more_gets_nothing_more(house, stub):
    db, mallory = house(egress.settings(stub.url) | {"pgai_rs.embedding_backoff": "10ms", "pgai_rs.embedding_retries": "100"})
    # Whatever is under way would be sent again and again.
    stub.fail(times=10**9, status=503, when=lambda request: request.model == "stub")
    vectorizer.create(db, stub.url, "m.t", user=mallory)
    db.sql("INSERT INTO m.t SELECT n, 'text ' || n FROM generate_series(1, 50) n", user=mallory)
    eventually(lambda: of_model(stub, "stub"), what="a request")
    health = "SELECT state FROM ai.vectorizer_health WHERE id = 1"
    with stub.held():
        db.cluster.configure(pgai_rs__allowed_base_urls="http://elsewhere")
        # Written when what was under way is given up; the log says it a moment before.
        eventually(lambda: db.value(health) == "not_served", what="the refusal")
    eventually(lambda: stub.waiting == 0, what="what was under way to end")
    assert_silent(db, stub, mallory)
    hint = "SELECT hint FROM ai.vectorizer_health WHERE id = 1"
    eventually(lambda: "pgai_rs.allowed_base_urls" in str(db.value(hint)), what="the setting's name in health")

    # It goes on by itself.
    stub.heal()
    db.cluster.configure(pgai_rs__allowed_base_urls=stub.url)
    eventually(lambda: db.value("SELECT count(*) FROM m.t_embedding_store") == 51, timeout=150, what="all rows")


def test_who_is_no_superuser_any_more_is_bound_by_the_lists(house, stub):
    db, mallory = house({})
    db.sql(f"ALTER ROLE {mallory} SUPERUSER")
    vectorizer.create(db, stub.url, "m.t", user=mallory)
    db.sql("INSERT INTO m.t VALUES (1, 'first')", user=mallory)
    eventually(lambda: db.sql("SELECT chunk FROM m.t_embedding_store") == [("first",)], what="the first row")
    position = db.cluster.log_position()
    db.sql(f"ALTER ROLE {mallory} NOSUPERUSER")
    eventually(lambda: "not allowed on this server" in db.cluster.log_text(position), what="the refusal")
    assert_silent(db, stub, mallory)


def test_the_lists_bind_what_was_declared_under_them_whoever_has_it_by_now(house, stub):
    db, mallory = house(egress.settings(stub.url))
    vectorizer.create(db, stub.url, "m.t", user=mallory, name="'theirs'")
    db.sql(f"REASSIGN OWNED BY {mallory} TO postgres")
    db.sql("INSERT INTO m.t VALUES (1, 'first')")
    eventually(lambda: db.sql("SELECT chunk FROM m.t_embedding_store") == [("first",)], what="the first row")

    db.cluster.configure(pgai_rs__allowed_base_urls="", pgai_rs__api_key_names="OPENAI_API_KEY")
    settles(lambda: db.value("SELECT state FROM ai.vectorizer_health"), "not_served", what="the refusal")
    db.sql("INSERT INTO m.t VALUES (2, 'second')")
    for model in ["1", "'theirs'"]:
        error = refusal(db, "postgres", f"SELECT ai.vectorizer_embed({model}, 'question')")
        assert error.sqlstate == "42501" and "pgai_rs.allowed_base_urls" in error.diag.message_hint
    # Nor when it has lost what its work needs, and only its config is left.
    with db.connect(autocommit=False) as connection:
        connection.execute("DROP TABLE ai._vectorizer_q_1 CASCADE")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT ai.vectorizer_embed(1, 'question')")
        connection.rollback()
    assert stub.embedded["second"] == stub.embedded["question"] == 0

    # A superuser may take it upon themselves.
    db.sql("UPDATE ai.vectorizer SET for_superuser = true")
    eventually(lambda: len(db.sql("SELECT chunk FROM m.t_embedding_store")) == 2, what="the second row")


def test_what_a_superuser_declared_is_bound_while_somebody_else_has_it(house, stub):
    db, mallory = house({})
    db.sql("CREATE TABLE public.t (id int PRIMARY KEY, body text)")
    vectorizer.create(db, stub.url, "public.t")
    assert db.value("SELECT for_superuser FROM ai.vectorizer")
    give = [f"ALTER TABLE {table} OWNER TO {{}}" for table in [
        "public.t", "public.t_embedding_store", "public.t_embedding", "ai._vectorizer_q_1", "ai._vectorizer_work_1",
        "ai._vectorizer_q_failed_1"]]
    db.sql(";".join(give).format(*[mallory] * len(give)))
    settles(lambda: db.value("SELECT state FROM ai.vectorizer_health"), "not_served", what="the refusal")
    db.sql(";".join(give).format(*["postgres"] * len(give)))
    db.sql("INSERT INTO public.t VALUES (1, 'one')")
    eventually(lambda: db.sql("SELECT FROM public.t_embedding_store"), what="the row")


def test_a_dump_takes_along_under_which_rights_it_was_declared(house, stub):
    """Also one that gives everything to whoever restores it."""
    db, mallory = house(egress.settings(stub.url))
    vectorizer.create(db, stub.url, "m.t", user=mallory)
    db.sql("CREATE TABLE public.t (id int PRIMARY KEY, body text)")
    vectorizer.create(db, stub.url, "public.t")
    declared = "SELECT source_schema::text, for_superuser FROM ai.vectorizer ORDER BY 1"
    for how in [[], ["--no-owner"]]:
        dump = db.cluster.run("pg_dump", *how, "house")
        copy = db.cluster.create_database(f"restored_{len(how)}")
        db.cluster.run("psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={copy.name}", input=dump)
        vectorizer.restored(copy)
        assert copy.sql(declared) == [("m", False), ("public", True)]


def test_an_endpoint_that_is_not_allowed_any_more_is_not_asked_any_more(house, stub):
    with listening(head=b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", part=b"") as server:
        conf = egress.settings(stub.url) | {"pgai_rs.allowed_s3_endpoints": server.url()}
        db, mallory = house(conf)
        loading = f"ai.loading_uri('body', endpoint => '{server.url()}')"
        vectorizer.create(db, stub.url, "m.t", loading=loading, user=mallory)
        db.sql("INSERT INTO m.t VALUES (1, 's3://b/first')", user=mallory)
        eventually(lambda: db.sql("SELECT chunk FROM m.t_embedding_store") == [("x",)], what="the first object")
        position = db.cluster.log_position()
        db.cluster.configure(pgai_rs__allowed_s3_endpoints="http://elsewhere")
        eventually(lambda: "not allowed on this server" in db.cluster.log_text(position), what="the refusal")
        asked = server.connections
        db.sql("INSERT INTO m.t VALUES (2, 's3://b/second')", user=mallory)
        assert_silent(db, stub, mallory)
        assert server.connections == asked


def test_a_listing_under_way_ends_when_its_endpoint_is_not_allowed_any_more(house):
    # It would wait for its answer for as long.
    with listening(head=b"", part=b"", hold=True) as server:
        db, mallory = house({"pgai_rs.allowed_s3_endpoints": server.url(), "pgai_rs.load_timeout": "1h"})
        db.sql(
            "SELECT ai.create_s3_source('m.listed', 's3://b/', name => 'listed', endpoint => %s, schedule => NULL)",
            [server.url()],
            user=mallory,
        )
        db.sql("SELECT ai.sync_s3_source('listed')", user=mallory)
        eventually(lambda: server.connections > 0, what="the listing to be under way")
        db.cluster.configure(pgai_rs__allowed_s3_endpoints="http://elsewhere")
        errors = "SELECT split_part(error, ' (', 1) FROM ai.s3_source_runs WHERE error IS NOT NULL ORDER BY run"
        refused = "this S3 endpoint is not allowed on this server"
        settles(lambda: db.sql(errors), [(refused,)], what="the run to end")

        asked = server.connections
        db.sql("SELECT ai.sync_s3_source('listed')", user=mallory)
        settles(lambda: db.sql(errors), [(refused,), (refused,)], what="the next run to end")
        assert server.connections == asked
