"""Keys that are set for a database: who may set them, and how nobody sees a value."""

import psycopg
import pytest
from support import vectorizer
from support.keys import IN_HEX, KEY, KEY_FILE, NEXT, SET, TABLE, admin, cluster, db, health, owner, refusal, told  # noqa: F401
from support.wait import settles


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
