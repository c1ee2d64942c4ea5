"""Keys that are set for a database: what they do, and what a value and a name may be."""

from support import vectorizer
from support.keys import KEY, NEXT, SET, TABLE, admin, cluster, db, health, owner, refusal, shown, told  # noqa: F401
from support.wait import eventually, settles


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


def test_what_a_value_and_a_name_may_be(db, admin):
    for name, value in [(None, KEY), ("OPENAI_API_KEY", None)]:
        assert refusal(db, SET, [name, value, None], user=admin).sqlstate == "22004"
    for name, value in [("OPENAI_API_KEY", ""), ("OPENAI_API_KEY", " \n"), ("OPENAI_API_KEY", "x" * 20_000),
                        ("", KEY), ("A,B", KEY), ("A=https://h", KEY), ("A B", KEY), ("x" * 101, KEY), ("TEAM_KEY", KEY)]:
        error = refusal(db, SET, [name, value, None], user=admin)
        assert error.sqlstate == "22023" and error.diag.message_hint, (name, told(error))
    assert db.sql("SELECT FROM ai.secrets") == []
