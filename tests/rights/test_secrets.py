"""Keys that are set for a database: what they do, and what nobody gets to see of them."""

import os
import shutil

import psycopg
import pytest
from support import vectorizer
from support.wait import eventually, settles

TABLE = "CREATE TABLE document (id int PRIMARY KEY, body text)"
KEY = "sk-a-database-s-own"
NEXT = "sk-the-next-one"
SET = "SELECT ai.set_secret(%s, %s, %s)"
KEY_FILE = "pgai_rs.secret_key"
# How SQL writes what a text would be as bytes.
IN_HEX = KEY.encode().hex()


@pytest.fixture
def cluster(cluster_factory):
    """A server without any key."""
    return cluster_factory(env={"OPENAI_API_KEY": ""}, conf={"pgai_rs.poll_interval": "1h"})


@pytest.fixture
def db(cluster):
    """A database of it, with a table."""
    database = cluster.create_database("tenant")
    database.sql(f"CREATE EXTENSION pgai_rs CASCADE; {TABLE}")
    return database


@pytest.fixture
def owner(db) -> str:
    """A role with a table of its own, whom the server's lists bind."""
    db.sql("CREATE ROLE owner LOGIN; SELECT ai.grant_vectorizer_usage('owner'); CREATE SCHEMA o AUTHORIZATION owner")
    db.sql(f"SET search_path = o; {TABLE}", user="owner")
    return "owner"


@pytest.fixture
def admin(db) -> str:
    """A role that may set secrets, and is no superuser."""
    db.sql("CREATE ROLE admin LOGIN; GRANT USAGE ON SCHEMA ai TO admin; GRANT SELECT ON ai.secrets TO admin")
    db.sql("GRANT EXECUTE ON FUNCTION ai.set_secret, ai.drop_secret TO admin")
    return "admin"


def health(db) -> dict:
    [[row]] = db.sql("SELECT to_jsonb(h) FROM ai.vectorizer_health h")
    return row


def shown(stub) -> list[str | None]:
    """The keys that the model was shown, each once, in their order."""
    return list(dict.fromkeys(request.headers.get("authorization") for request in stub.requests))


def refusal(db, statement: str, arguments=None, *, user: str = "postgres") -> psycopg.Error:
    with pytest.raises(psycopg.Error) as raised:
        db.sql(statement, arguments, user=user)
    return raised.value


def told(error: psycopg.Error) -> str:
    """All that an error says."""
    said = error.diag
    return "\n".join(filter(None, [str(error), said.message_detail, said.message_hint, said.context]))


# What they do


def test_a_vectorizer_works_with_a_key_that_was_set_in_sql(db, owner, stub):
    db.cluster.configure(pgai_rs__allowed_base_urls=stub.url)
    db.sql(SET, ["OPENAI_API_KEY", KEY, stub.url])
    vectorizer.create(db, stub.url, "o.document", user=owner)
    db.sql("INSERT INTO o.document VALUES (1, 'one')", user=owner)
    eventually(lambda: db.sql("SELECT FROM o.document_embedding_store"), what="the first row")
    embed = f"SELECT ai.vectorizer_embed(ai.embedding_openai('stub', 8, base_url => '{stub.url}'), 'question')"
    db.sql(embed, user=owner)
    db.sql(f"""SELECT ai.openai_embed('stub', 'text', client_config => '{{"base_url": "{stub.url}"}}')""", user=owner)
    db.sql(f"""SELECT * FROM ai.openai_embed('stub', ARRAY['text'], client_config => '{{"base_url": "{stub.url}"}}')""", user=owner)
    assert shown(stub) == [f"Bearer {KEY}"]

    # The worker sleeps for an hour if nobody tells it.
    stub.forget()
    db.sql(SET, ["OPENAI_API_KEY", NEXT, stub.url])
    db.sql("INSERT INTO o.document VALUES (2, 'two')", user=owner)
    eventually(lambda: len(db.sql("SELECT FROM o.document_embedding_store")) == 2, what="the second row")
    db.sql(embed, user=owner)
    assert shown(stub) == [f"Bearer {NEXT}"]


def test_a_vectorizer_that_waits_for_a_key_goes_on_with_it(db, stub):
    db.cluster.configure(pgai_rs__allowed_base_urls=stub.url)
    stub.fail(float("inf"), when=lambda request: f"Bearer {KEY}" != request.headers.get("authorization"), status=401)
    db.sql(SET, ["OPENAI_API_KEY", "sk-wrong", stub.url])
    vectorizer.create(db, stub.url)
    db.sql("INSERT INTO document VALUES (1, 'one')")
    settles(lambda: health(db)["state"], "waiting_for_provider")
    db.sql(SET, ["OPENAI_API_KEY", KEY, stub.url])
    # Its next try comes within a minute.
    eventually(lambda: db.sql("SELECT FROM document_embedding_store"), timeout=90, what="the row")


def test_a_row_that_was_refused_for_want_of_a_key_is_tried_when_it_is_there(db, owner, stub):
    """And not when the minute is over for which it was put off. What failed by itself is in no hurry."""
    db.cluster.configure(pgai_rs__allowed_base_urls=stub.url, pgai_rs__retry_backoff="1h", pgai_rs__retry_backoff_max="1h")
    db.cluster.configure(pgai_rs__api_key_names=f"OPENAI_API_KEY, OPENAI_API_KEY={stub.url}")
    stub.fail(float("inf"), when=lambda request: request.headers.get("authorization") is None, status=401)
    number = vectorizer.create(db, stub.url, "o.document", user=owner)
    db.sql("INSERT INTO o.document VALUES (1, 'one')", user=owner)
    waits = f"SELECT available_at FROM ai._vectorizer_work_{number} WHERE available_at > now() + '30s'"
    [[due]] = eventually(lambda: db.sql(waits), what="the row to be put off")
    db.sql(SET, ["OPENAI_API_KEY", KEY, stub.url])
    eventually(lambda: db.sql("SELECT FROM o.document_embedding_store"), what="the row")
    assert db.value("SELECT now() < %s", [due])


def test_a_key_and_its_end_are_heard_of_at_once(cluster_factory, stub):
    """Nothing else wakes the worker for an hour."""
    slow = {"pgai_rs.poll_interval": "1h", "pgai_rs.heartbeat_interval": "1h", "pgai_rs.allowed_base_urls": stub.url}
    db = cluster_factory(env={"OPENAI_API_KEY": ""}, conf=slow).create_database("hears")
    db.sql(f"CREATE EXTENSION pgai_rs CASCADE; {TABLE}")
    db.sql(SET, ["TEAM_KEY", KEY, stub.url])
    vectorizer.create(db, stub.url, embedding=f"ai.embedding_openai('stub', 8, api_key_name => 'TEAM_KEY', base_url => '{stub.url}')")
    db.sql("INSERT INTO document VALUES (1, 'one')")
    vectorizer.in_step(db, ["id"])
    for _ in range(2):
        db.sql("SELECT ai.drop_secret('TEAM_KEY')")
        settles(lambda: health(db)["state"], "not_served")
        db.sql(SET, ["TEAM_KEY", KEY, stub.url])
        settles(lambda: health(db)["state"], "idle")


def test_a_key_that_is_dropped_stops_it_and_it_says_so(db, owner, stub):
    db.cluster.configure(pgai_rs__allowed_base_urls=stub.url)
    db.sql(SET, ["TEAM_KEY", KEY, stub.url])
    embedding = f"ai.embedding_openai('stub', 8, api_key_name => 'TEAM_KEY', base_url => '{stub.url}')"
    vectorizer.create(db, stub.url, "o.document", user=owner, embedding=embedding)
    db.sql("INSERT INTO o.document VALUES (1, 'one')", user=owner)
    eventually(lambda: db.sql("SELECT FROM o.document_embedding_store"), what="the first row")
    asked = len(stub.requests)
    db.sql("SELECT ai.drop_secret('TEAM_KEY')")
    settles(lambda: health(db)["state"], "not_served")
    assert "TEAM_KEY" in health(db)["reason"] and "ai.set_secret" in health(db)["hint"]
    db.sql("INSERT INTO o.document VALUES (2, 'two')", user=owner)
    error = refusal(db, f"SELECT ai.vectorizer_embed({embedding}, 'question')", user=owner)
    assert error.sqlstate == "42501" and "ai.set_secret" in error.diag.message_hint
    assert refusal(db, "SELECT ai.drop_secret('TEAM_KEY')").sqlstate == "42704"
    db.sql(SET, ["TEAM_KEY", NEXT, stub.url])
    eventually(lambda: len(db.sql("SELECT FROM o.document_embedding_store")) == 2, what="the second row")
    assert {request.headers["authorization"] for request in stub.requests[asked:]} == {f"Bearer {NEXT}"}


def test_a_key_that_nobody_has_says_where_it_can_be_set(db, owner):
    error = refusal(db, "SELECT ai.openai_embed('m', 'text')", user=owner)
    assert "no API key" in str(error) and "ai.set_secret" in error.diag.message_hint


def test_another_database_has_its_own_or_the_servers(cluster_factory, stub):
    cluster = cluster_factory(env={"OPENAI_API_KEY": "sk-environment"}, conf={
        "pgai_rs.allowed_base_urls": stub.url, "pgai_rs.api_keys": "OPENAI_API_KEY=sk-setting",
        "pgai_rs.api_key_names": f"OPENAI_API_KEY={stub.url}"})
    first, second = cluster.create_database("first"), cluster.create_database("second")
    for database in first, second:
        database.sql("CREATE EXTENSION pgai_rs CASCADE")
    first.sql(SET, ["OPENAI_API_KEY", KEY, stub.url])
    embed = f"SELECT ai.vectorizer_embed(ai.embedding_openai('stub', 8, base_url => '{stub.url}'), 'question')"

    def key_of(database) -> list:
        stub.forget()
        database.sql(embed)
        return shown(stub)

    assert key_of(first) == [f"Bearer {KEY}"]
    assert second.sql("SELECT name FROM ai.secrets") == [] and key_of(second) == ["Bearer sk-setting"]

    # A copy of the table is of no use in another database, however it got there.
    row = first.sql("SELECT name, base_url, sealed, set_by FROM ai._secret")[0]
    second.sql("INSERT INTO ai._secret (name, base_url, sealed, set_by) VALUES (%s, %s, %s, %s)", row)
    error = refusal(second, embed)
    assert error.sqlstate == "55000" and "ai.set_secret" in error.diag.message_hint, told(error)
    second.sql("SELECT ai.drop_secret('OPENAI_API_KEY')")
    cluster.configure(pgai_rs__api_keys="")
    assert key_of(second) == ["Bearer sk-environment"]

    # Nor in a database that is made of the first.
    first.sql("ALTER DATABASE first ALLOW_CONNECTIONS true")
    cluster.sql("CREATE DATABASE third TEMPLATE first")
    third = type(first)(cluster, "third")
    assert third.sql("SELECT name, readable FROM ai.secrets") == [("OPENAI_API_KEY", False)]
    assert first.sql("SELECT name, readable FROM ai.secrets") == [("OPENAI_API_KEY", True)]


def test_what_is_undone_was_never_set(db):
    with db.connect(autocommit=False) as connection:
        connection.execute(SET, ["OPENAI_API_KEY", KEY, None])
        assert connection.execute("SELECT name, readable FROM ai.secrets").fetchall() == [("OPENAI_API_KEY", True)]
        connection.rollback()
    assert db.sql("SELECT FROM ai.secrets") == []


# Where they go


def test_a_key_goes_to_the_server_that_it_was_set_for(db, owner, admin, stub):
    db.cluster.configure(
        pgai_rs__allowed_base_urls=f"{stub.url}, https://models.example.com",
        pgai_rs__api_key_names=f"OPENAI_API_KEY, OPENAI_API_KEY={stub.url}",
    )
    given = "'text', client_config => '{\"base_url\": \"" + stub.url + "\"}'"
    statements = [
        f"SELECT ai.openai_embed('m', {given})",
        f"SELECT ai.openai_embed('m', {given.replace('text', 'other')}, api_key_name => 'OPENAI_API_KEY')",
        f"SELECT ai.vectorizer_embed(ai.embedding_openai('m', 8, base_url => '{stub.url}'), 'text')",
        f"SELECT ai.create_vectorizer('o.document'::regclass, loading => ai.loading_column('body'), "
        f"embedding => ai.embedding_openai('m', 8, base_url => '{stub.url}'))",
    ]
    # The pair of the settings is for the server's own key.
    for server in None, "https://models.example.com":
        db.sql(SET, ["OPENAI_API_KEY", KEY, server], user=admin)
        for statement in statements:
            error = refusal(db, statement, user=owner)
            assert error.sqlstate == "42501" and "ai.set_secret" in error.diag.message_hint, (statement, told(error))
    assert stub.requests == []
    db.sql(SET, ["OPENAI_API_KEY", KEY, stub.url], user=admin)
    db.sql(statements[0], user=owner)
    assert shown(stub) == [f"Bearer {KEY}"]


@pytest.mark.parametrize("server", [None, "https://models.example.com"])
def test_a_superusers_vectorizer_sends_a_key_where_it_was_set_for_too(db, admin, stub, server):
    """Who set it for a server need not know of what superusers declare."""
    db.cluster.configure(pgai_rs__allowed_base_urls="https://models.example.com")
    db.sql(SET, ["OPENAI_API_KEY", KEY, stub.url])
    vectorizer.create(db, stub.url)
    db.sql(SET, ["OPENAI_API_KEY", NEXT, server], user=admin)
    settles(lambda: health(db)["state"], "not_served")
    assert "ai.set_secret" in health(db)["hint"]
    db.sql("INSERT INTO document VALUES (1, 'one')")
    for statement in [
        f"SELECT ai.vectorizer_embed(ai.embedding_openai('stub', 8, base_url => '{stub.url}'), 'question')",
        "SELECT ai.vectorizer_embed(1, 'question')",
        f"""SELECT ai.openai_embed('stub', 'text', client_config => '{{"base_url": "{stub.url}"}}')""",
    ]:
        assert refusal(db, statement).sqlstate == "42501", statement
    assert shown(stub) == []
    db.sql(SET, ["OPENAI_API_KEY", KEY, stub.url])
    eventually(lambda: db.sql("SELECT FROM document_embedding_store"), what="the row")
    assert shown(stub) == [f"Bearer {KEY}"]


def test_who_may_set_keys_pairs_nobody_elses(cluster_factory, stub):
    # The server's key is for OpenAI; somebody who may set secrets wants it to come to a server of theirs.
    cluster = cluster_factory(env={"OPENAI_API_KEY": "sk-server"}, conf={"pgai_rs.allowed_base_urls": stub.url})
    db = cluster.create_database("tenant")
    db.sql("CREATE EXTENSION pgai_rs CASCADE; CREATE ROLE admin LOGIN; SELECT ai.grant_vectorizer_usage('admin')")
    db.sql("GRANT EXECUTE ON FUNCTION ai.set_secret, ai.drop_secret TO admin; CREATE SCHEMA o AUTHORIZATION admin")
    db.sql(f"SET search_path = o; {TABLE}", user="admin")
    db.sql(SET, ["OPENAI_API_KEY", KEY, stub.url], user="admin")
    vectorizer.create(db, stub.url, "o.document", user="admin")
    db.sql("INSERT INTO o.document VALUES (1, 'one')", user="admin")
    eventually(lambda: db.sql("SELECT FROM o.document_embedding_store"), what="the first row")
    db.sql("SELECT ai.drop_secret('OPENAI_API_KEY')", user="admin")
    db.sql("INSERT INTO o.document VALUES (2, 'two')", user="admin")
    settles(lambda: health(db)["state"], "not_served")
    assert shown(stub) == [f"Bearer {KEY}"]


def test_setting_a_key_opens_no_way_to_a_server(db, owner, admin, stub):
    for url in ["http://169.254.169.254", "http://127.0.0.1:8080/v1", "http://[::1]", "http://2130706433", stub.url,
                "https://models.example.com"]:
        error = refusal(db, SET, ["TEAM_KEY", KEY, url], user=admin)
        assert error.sqlstate == "42501" and "pgai_rs.allowed_base_urls" in error.diag.message_hint, (url, told(error))
    # A scheme alone leads to the internet.
    db.cluster.configure(pgai_rs__allowed_base_urls="http://, https://")
    for url in ["http://169.254.169.254", "http://127.0.0.1:8080/v1", "http://[::1]", "http://2130706433", stub.url]:
        error = refusal(db, SET, ["TEAM_KEY", KEY, url], user=admin)
        assert error.sqlstate == "42501" and "private network" in error.diag.message_hint, (url, told(error))
    for url in ["https://u:p@h/v1", "https://h/v1/../admin", "ftp://h", "h", "", "https://h/?x"]:
        assert refusal(db, SET, ["TEAM_KEY", KEY, url], user=admin).sqlstate == "22023", url

    # What a superuser sets a key for can still not be asked by those who may not ask it.
    db.cluster.configure(pgai_rs__allowed_base_urls="")
    db.sql(SET, ["OPENAI_API_KEY", KEY, stub.url])
    error = refusal(db, f"SELECT ai.vectorizer_embed(ai.embedding_openai('m', 8, base_url => '{stub.url}'), 'x')", user=owner)
    assert error.sqlstate == "42501" and stub.requests == []


def test_a_key_is_no_path_and_names_no_server(db, owner, admin, tmp_path):
    file = tmp_path / "account.json"
    file.write_text("{}")
    file.chmod(0o644)
    errors = set()
    for path in [str(file), "/no/such/file", "/dev/zero"]:
        db.sql(SET, ["GOOGLE_APPLICATION_CREDENTIALS", path, None], user=admin)
        embed = """SELECT ai.litellm_embed('vertex_ai/text-embedding-005', 'text', extra_options => '{"vertex_project": "p"}')"""
        errors.add(str(refusal(db, embed, user=owner)))
    assert len(errors) == 1 and "must be JSON" in errors.pop()


# Who may what, and what anybody sees


def test_who_may_set_and_read_them(db, owner, admin, cluster):
    db.sql("CREATE ROLE boss LOGIN; ALTER DATABASE tenant OWNER TO boss; GRANT USAGE ON SCHEMA ai TO boss")
    for role in ["pg_monitor", "pg_read_all_data", "pg_write_all_data"]:
        db.sql(f"CREATE ROLE of_{role} LOGIN IN ROLE {role}")
    db.sql("CREATE ROLE stranger LOGIN")
    db.sql(SET, ["OPENAI_API_KEY", KEY, None], user=admin)
    assert db.sql("SELECT name, base_url, set_by, readable FROM ai.secrets", user=admin) == [
        ("OPENAI_API_KEY", None, "admin", True)]

    for role in ["boss", owner, "stranger", "of_pg_monitor", "of_pg_read_all_data", "of_pg_write_all_data"]:
        for statement in ["SELECT ai.set_secret('OPENAI_API_KEY', 'sk-theirs')", "SELECT ai.drop_secret('OPENAI_API_KEY')"]:
            assert refusal(db, statement, user=role).sqlstate == "42501", (role, statement)
    for role in ["boss", owner, "stranger", "of_pg_monitor"]:
        for table in "ai.secrets", "ai._secret":
            assert refusal(db, f"SELECT * FROM {table}", user=role).sqlstate == "42501", (role, table)
    assert refusal(db, "SELECT * FROM ai._secret", user=admin).sqlstate == "42501"
    assert db.value("SELECT ai._secret_is_readable('OPENAI_API_KEY')", user=owner) is None

    # Who may read all data reads what nobody can open.
    read = str(db.sql("SELECT s, encode(s.sealed, 'escape') FROM ai._secret s", user="of_pg_read_all_data"))
    assert "OPENAI_API_KEY" in read and KEY not in read and IN_HEX not in read


def test_who_may_write_all_data_writes_no_key(db, owner, admin, stub):
    db.sql("CREATE ROLE writer LOGIN IN ROLE pg_write_all_data, pg_read_all_data")
    db.sql(SET, ["OPENAI_API_KEY", KEY, None], user=admin)
    before = db.sql("SELECT s FROM ai._secret s")
    db.sql("UPDATE ai._secret SET base_url = 'https://elsewhere'; DELETE FROM ai._secret", user="writer")
    error = refusal(db, "INSERT INTO ai._secret (name, sealed, set_by) VALUES ('A', 'a', 'writer')", user="writer")
    assert error.sqlstate == "42501" and db.sql("SELECT s FROM ai._secret s") == before
    # Who may set them does so by the functions.
    db.sql(SET, ["OPENAI_API_KEY", NEXT, None], user=admin)
    db.sql("SELECT ai.drop_secret('OPENAI_API_KEY')", user=admin)
    assert db.sql("SELECT s FROM ai._secret s") == []


def test_a_row_that_was_changed_leads_no_key_elsewhere(db, owner, admin, stub):
    """By whoever can, as a superuser, or somebody with the files."""
    db.cluster.configure(pgai_rs__allowed_base_urls=stub.url)
    embed = f"SELECT ai.vectorizer_embed(ai.embedding_openai('m', 8, base_url => '{stub.url}'), 'x')"
    for server, change in [
        (None, f"base_url = '{stub.url}'"),
        (None, f"name = 'OPENAI_API_KEY', base_url = '{stub.url}'"),
        (stub.url, "name = 'OPENAI_API_KEY'"),
    ]:
        db.sql(SET, ["OPENAI_API_KEY" if "name" not in change else "VOYAGE_API_KEY", KEY, server], user=admin)
        db.sql(f"UPDATE ai._secret SET {change}")
        error = refusal(db, embed, user=owner)
        assert error.sqlstate == "55000" and stub.requests == [], told(error)
        db.sql("DELETE FROM ai._secret")


def test_no_dump_has_them(db, cluster):
    db.sql(SET, ["OPENAI_API_KEY", KEY, None])
    db.sql("CREATE PUBLICATION everything FOR ALL TABLES")
    dumps = [cluster.run("pg_dump", "tenant"), cluster.run("pg_dumpall"), cluster.run("pg_dump", "--inserts", "tenant")]
    for dump in dumps:
        assert "pgai_rs" in dump and KEY not in dump and IN_HEX not in dump and "OPENAI_API_KEY" not in dump
    # Nor has anything of what a standby is sent.
    cluster.stop()
    for file in [*(cluster.data / "pg_wal").iterdir(), *(cluster.data / "base").rglob("*")]:
        assert not file.is_file() or KEY.encode() not in file.read_bytes(), file
    assert (cluster.data / KEY_FILE).stat().st_mode & 0o777 == 0o600


def test_no_log_has_a_value_that_was_a_parameter(cluster_factory, stub):
    cluster = cluster_factory(env={"OPENAI_API_KEY": ""}, conf={
        "log_statement": "all", "log_min_duration_statement": "0", "log_parameter_max_length": "0", "log_duration": "on",
        "log_error_verbosity": "verbose", "log_min_messages": "debug1", "pgai_rs.allowed_base_urls": stub.url})
    db = cluster.create_database("tenant")
    db.sql(f"CREATE EXTENSION pgai_rs CASCADE; {TABLE}")
    position = cluster.log_position()
    with db.connect() as connection:
        connection.execute(SET, ["OPENAI_API_KEY", KEY, stub.url])
        query = "SELECT query FROM pg_stat_activity WHERE pid = %s"
        assert db.value(query, [connection.info.backend_pid]) == "SELECT ai.set_secret($1, $2, $3)"
    stub.fail(1, status=401, error={"message": f"Incorrect API key provided: {KEY}"})
    vectorizer.create(db, stub.url)
    db.sql("INSERT INTO document VALUES (1, 'one')")
    settles(lambda: health(db)["state"], "waiting_for_provider")
    seen = str([health(db), db.sql("SELECT * FROM ai.vectorizer_errors"), db.sql("SELECT * FROM pg_stat_activity")])
    assert KEY not in seen
    assert "set_secret" in cluster.log_text(position) and KEY not in cluster.log_text(position)


def test_an_error_says_nothing_of_the_statement_that_it_is_in(db, admin, cluster):
    """Logs have the statement of every error, and what called it; here stands the key, if somebody wrote it there."""
    db.sql("""CREATE FUNCTION rotate(value text) RETURNS void LANGUAGE plpgsql AS
              $$BEGIN EXECUTE format('SELECT ai.set_secret(%L, %L)', 'NO_PROVIDERS_KEY', value); END$$""")
    position = cluster.log_position()
    statements = [
        f"SELECT ai.set_secret('NO_PROVIDERS_KEY', '{KEY}')",
        f"SELECT ai.set_secret('{KEY}', 'OPENAI_API_KEY')",
        f"SELECT ai.set_secret('a,{KEY}', 'OPENAI_API_KEY')",
        f"SELECT ai.set_secret('OPENAI_API_KEY', '{KEY}', 'https://{KEY}@h')",
        f"SELECT ai.set_secret('OPENAI_API_KEY', '{KEY}', 'http://127.0.0.1')",
        f"SELECT ai.set_secret(NULL, '{KEY}')",
        f"SELECT rotate('{KEY}')",
        f"BEGIN READ ONLY; SELECT ai.set_secret('OPENAI_API_KEY', '{KEY}'); COMMIT",
    ]
    for statement in statements:
        error = refusal(db, statement, user=admin)
        assert KEY not in told(error), told(error)
    # Of sessions: autovacuum has errors of its own.
    lines = cluster.log_text(position).splitlines()
    assert sum("client backend" in line and "ERROR:" in line for line in lines) == len(statements)
    assert KEY not in cluster.log_text(position), cluster.log_text(position)
    # Another's errors are logged with their statement, also in the same session, and after one that was caught.
    with db.connect() as connection:
        connection.execute("""DO $$BEGIN PERFORM ai.set_secret(NULL, 'x'); EXCEPTION WHEN OTHERS THEN NULL; END$$""")
        connection.execute("SELECT ai.set_secret('OPENAI_API_KEY', 'x')")
        with pytest.raises(psycopg.Error):
            connection.execute("SELECT 1 / (SELECT 0) AS to_be_seen")
    assert "to_be_seen" in cluster.log_text(position)


# What is caught, and then another error in the same message.
CAUGHT = """DO $$BEGIN
    BEGIN PERFORM ai.set_secret('NO_PROVIDERS_KEY', {}); EXCEPTION WHEN OTHERS THEN NULL; END;
    PERFORM 1 / (SELECT 0) AS {};
END$$"""


def test_an_error_after_one_that_was_caught_is_logged_with_its_statement(db, cluster):
    position = cluster.log_position()
    for statement in [
        CAUGHT.format("(SELECT value FROM held)", "after_an_error"),
        CAUGHT.format("NULL", "after_a_null"),
        CAUGHT.replace("NO_PROVIDERS_KEY", "OPENAI_API_KEY").format("(SELECT value FROM held)", "after_success"),
        f"BEGIN READ ONLY; {CAUGHT.format('(SELECT value FROM held)', 'read_only')}",
    ]:
        db.sql("CREATE TABLE IF NOT EXISTS held AS SELECT %s AS value", [KEY])
        assert refusal(db, statement).sqlstate == "22012"
    logged = cluster.log_text(position)
    for name in ["after_an_error", "after_a_null", "after_success", "read_only"]:
        assert f"AS {name};\nEND$$" in logged.replace("\t", ""), logged


@pytest.mark.parametrize("key", ["OPENAI_API_KEY", "NO_PROVIDERS_KEY"])
def test_a_message_that_has_the_value_in_it_is_not_logged_with_a_later_error(db, cluster, key):
    position = cluster.log_position()
    quoted = "it's-" + KEY
    for value, written in [(KEY, f"'{KEY}'"), (f" {KEY}\n", f"E' {KEY}\\n'"), (quoted, "'it''s-" + KEY + "'")]:
        statement = CAUGHT.replace("NO_PROVIDERS_KEY", key).format(written, "later")
        assert refusal(db, statement).sqlstate == "22012"
        assert refusal(db, f"SELECT ai.set_secret('OPENAI_API_KEY', {written}); SELECT 1 / 0").sqlstate == "22012"
    assert cluster.log_text(position).count("division by zero") == 6
    assert KEY not in cluster.log_text(position), cluster.log_text(position)


def test_statistics_of_statements_have_no_value(cluster_factory):
    cluster = cluster_factory()
    if not cluster.sql("SELECT FROM pg_available_extensions WHERE name = 'pg_stat_statements'"):
        pytest.skip("this Postgres has no pg_stat_statements")
    preloaded = cluster.sql("SHOW shared_preload_libraries")[0][0]
    cluster.configure(shared_preload_libraries=f"{preloaded}, pg_stat_statements")
    cluster.restart()
    db = cluster.create_database("tenant")
    db.sql("CREATE EXTENSION pgai_rs CASCADE; CREATE EXTENSION pg_stat_statements")
    db.sql(SET, ["OPENAI_API_KEY", KEY, None])
    db.sql(f"SELECT ai.set_secret('OPENAI_API_KEY', '{KEY}')")
    seen = str(db.sql("SELECT query FROM pg_stat_statements"))
    assert "set_secret" in seen and KEY not in seen


def test_what_a_value_and_a_name_may_be(db, admin):
    for name, value in [(None, KEY), ("OPENAI_API_KEY", None)]:
        assert refusal(db, SET, [name, value, None], user=admin).sqlstate == "22004"
    for name, value in [("OPENAI_API_KEY", ""), ("OPENAI_API_KEY", " \n"), ("OPENAI_API_KEY", "x" * 20_000),
                        ("", KEY), ("A,B", KEY), ("A=https://h", KEY), ("A B", KEY), ("x" * 101, KEY), ("TEAM_KEY", KEY)]:
        error = refusal(db, SET, [name, value, None], user=admin)
        assert error.sqlstate == "22023" and error.diag.message_hint, (name, told(error))
    assert db.sql("SELECT FROM ai.secrets") == []


# The file of the key


@pytest.mark.parametrize("how", ["gone", "another", "short", "long", "unreadable"])
def test_without_its_key_file_it_says_what_to_do(db, stub, cluster, how):
    db.cluster.configure(pgai_rs__allowed_base_urls=stub.url)
    db.sql(SET, ["OPENAI_API_KEY", KEY, stub.url])
    vectorizer.create(db, stub.url)
    db.sql("INSERT INTO document VALUES (1, 'one')")
    vectorizer.in_step(db, ["id"])
    file = cluster.data / KEY_FILE
    kept = file.read_bytes()
    # As the server's own user, whose file it stays.
    match how:
        case "gone":
            file.unlink()
        case "unreadable":
            file.unlink()
            file.mkdir()
        case _:
            file.write_bytes({"another": os.urandom(32), "short": kept[:31], "long": kept + b"\n"}[how])
    assert db.sql("SELECT readable FROM ai.secrets") == [(False,)]
    cluster.reload()
    settles(lambda: health(db)["state"], "not_served")
    row = health(db)
    assert "OPENAI_API_KEY" in row["reason"] and "ai.set_secret" in row["hint"] and KEY_FILE in row["hint"], row
    error = refusal(db, "SELECT ai.openai_embed('m', 'x')")
    assert error.sqlstate == "55000" and "ai.set_secret" in error.diag.message_hint

    if how in ("gone", "another"):
        # A key in the place of the one that is gone; and what it was set for goes on.
        db.sql(SET, ["OPENAI_API_KEY", NEXT, stub.url])
        assert file.stat().st_mode & 0o777 == 0o600 and file.stat().st_size == 32
    else:
        # One that is there is not replaced: others may be sealed with it.
        error = refusal(db, SET, ["OPENAI_API_KEY", NEXT, stub.url])
        assert error.sqlstate == "F0000" and KEY_FILE in error.diag.message_hint, told(error)
        shutil.rmtree(file) if file.is_dir() else file.unlink()
        file.write_bytes(kept)
        shutil.chown(file, *(os.stat(cluster.data).st_uid, os.stat(cluster.data).st_gid))
        file.chmod(0o600)
        cluster.reload()
    db.sql("INSERT INTO document VALUES (2, 'two')")
    vectorizer.in_step(db, ["id"])


def test_copies_and_standbys_have_the_file_that_was_there(db, cluster, copies, stub):
    early = copies(cluster.base_backup, standby=True)
    db.sql(SET, ["OPENAI_API_KEY", KEY, None])
    late = copies(cluster.base_backup, standby=True)
    look = "SELECT readable FROM ai.secrets"
    for standby, readable in [(early, False), (late, True)]:
        there = type(db)(standby, "tenant")
        eventually(lambda: there.sql(look) == [(readable,)], what="the secret to be replicated")
        assert refusal(there, SET, ["OPENAI_API_KEY", KEY, None]).sqlstate == "25006"
    assert not (early.data / KEY_FILE).exists()


def test_files_have_the_mode_of_postgress_own(cluster_factory):
    cluster = cluster_factory()
    cluster.stop()
    cluster.data.chmod(0o750)
    cluster.start()
    db = cluster.create_database("tenant")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    db.sql(SET, ["OPENAI_API_KEY", KEY, None])
    assert (cluster.data / KEY_FILE).stat().st_mode & 0o777 == 0o640
    assert [file.name for file in cluster.data.iterdir() if file.name.startswith("pgai_rs")] == [KEY_FILE]
