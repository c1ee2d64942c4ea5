"""Keys that are set for a database go to the servers that they were set for, and nowhere else."""

import pytest
from support import vectorizer
from support.keys import KEY, NEXT, SET, TABLE, admin, cluster, db, health, owner, refusal, shown, told  # noqa: F401
from support.wait import eventually, settles


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
