"""Budgets: what vectorizers, roles and a database may use of models in a day or a month, in tokens or in money."""

from types import SimpleNamespace

import psycopg
import pytest
from support import egress, vectorizer
from support.wait import eventually, settles

# Bytes of each row: ten tokens, as they are estimated, and as the stub bills them.
ROW = 40
TOKENS = 10


@pytest.fixture
def budgeted(cluster_factory, stub):
    """A database whose worker writes down each second what was used."""
    conf = egress.settings(stub.url) | {"pgai_rs.heartbeat_interval": "1s", "pgai_rs.poll_interval": "1s"}
    cluster = cluster_factory(conf=conf)
    db = cluster.create_database("budgeted")
    db.sql("CREATE EXTENSION pgai_rs CASCADE; CREATE TABLE document (id int PRIMARY KEY, body text)")
    # A cent for a row.
    price = "INSERT INTO ai.model_override (model, server, usd_per_million_tokens) VALUES ('openai/stub', %s, 1000)"
    db.sql(price, [stub.url.removesuffix("/v1")])
    return SimpleNamespace(cluster=cluster, db=db)


def insert(db, rows: range, table: str = "document", **how) -> None:
    db.sql(f"INSERT INTO {table} SELECT n, rpad('row ' || n || ' ', {ROW}, 'x') FROM generate_series(%s::int, %s) n",
           [rows.start, rows.stop - 1], **how)


def sent(stub) -> int:
    """The texts that have left, whether they are answered or not."""
    return sum(len(request.inputs) for request in list(stub.requests))


def embedded(db, store: str = "document_embedding_store") -> int:
    return db.value(f"SELECT count(*) FROM {store}")


def rests(db, reason: str, name: str = "rows") -> None:
    """Waits until a vectorizer rests for a reason."""
    look = "SELECT state, reason FROM ai.vectorizer_health WHERE name = %s"
    state, said = eventually(lambda: next((row for row in db.sql(look, [name]) if row[0] == "at_limit" and reason in row[1]), None),
                             what=f"the vectorizer to rest: {reason}")
    assert (state, said) == ("at_limit", f"embedding failed: {reason} is used up")


def used(db) -> list[tuple]:
    return db.sql("SELECT holder, name, purpose, period, unit, amount, used FROM ai.budgets ORDER BY holder, purpose, unit")


def test_a_backfill_rests_at_its_budget_and_goes_on_when_it_is_raised(budgeted, stub):
    db = budgeted.db
    number = vectorizer.create(db, stub.url, name="'rows'")
    db.sql("SELECT ai.set_budget(100, 'tokens', 'day', vectorizer => 'rows')")
    insert(db, range(1, 41))
    rests(db, 'budget of 100 tokens a day for documents of vectorizer "rows"')
    assert (embedded(db), sent(stub)) == (10, 10)
    assert "ai.set_budget()" in db.value("SELECT hint FROM ai.vectorizer_health")
    settles(lambda: used(db), [("vectorizer", "rows", "documents", "day", "tokens", 100, 100)])

    # No row has lost a try for it, or has gone.
    assert db.value(f"SELECT max(attempts) FROM ai._vectorizer_work_{number}") <= 1
    assert db.sql("SELECT pending_items, failed_items FROM ai.vectorizer_health") == [(30, 0)]
    db.sql("SELECT ai.set_budget(250, 'tokens', 'day', vectorizer => 'rows')")
    rests(db, 'budget of 250 tokens a day for documents of vectorizer "rows"')
    assert (embedded(db), sent(stub)) == (25, 25)

    db.sql("SELECT ai.set_budget(NULL, 'tokens', 'day', vectorizer => 'rows')")
    vectorizer.in_step(db, ["id"])
    assert sent(stub) == 40 and set(stub.embedded.values()) == {1}
    vectorizer.comes_to(db, "idle")


def test_what_is_on_its_way_counts(budgeted, stub):
    db = budgeted.db
    vectorizer.create(db, stub.url, name="'rows'")
    db.sql("SELECT ai.set_budget(100, 'tokens', 'day', vectorizer => 'rows')")
    with stub.held():
        insert(db, range(1, 101))
        rests(db, 'budget of 100 tokens a day for documents of vectorizer "rows"')
        assert sent(stub) <= 10
    settles(lambda: embedded(db), 10)
    settles(lambda: used(db), [("vectorizer", "rows", "documents", "day", "tokens", 100, 100)])
    assert sent(stub) == 10


def test_a_new_period_begins_at_nothing_without_a_restart(budgeted, stub):
    db = budgeted.db
    vectorizer.create(db, stub.url, name="'rows'")
    db.sql("SELECT ai.set_budget(100, 'tokens', 'day', vectorizer => 'rows')")
    insert(db, range(1, 16))
    rests(db, 'budget of 100 tokens a day for documents of vectorizer "rows"')
    settles(lambda: used(db), [("vectorizer", "rows", "documents", "day", "tokens", 100, 100)])
    # As if all of that was yesterday's.
    db.sql("UPDATE ai._budget_used SET since = since - 1; UPDATE ai._budget SET since = since - 1")
    vectorizer.in_step(db, ["id"])
    settles(lambda: used(db), [("vectorizer", "rows", "documents", "day", "tokens", 100, 50)])


def test_what_was_used_is_used_after_a_restart(budgeted, stub):
    db = budgeted.db
    vectorizer.create(db, stub.url, name="'rows'")
    insert(db, range(1, 6))
    vectorizer.in_step(db, ["id"])
    settles(lambda: db.value("SELECT sum(tokens) FROM ai.vectorizer_usage"), 50)
    # What had been used when it was set counts as well.
    db.sql("SELECT ai.set_budget(1, 'usd', vectorizer => 'rows'); SELECT ai.set_budget(100, 'tokens', 'month', vectorizer => 'rows')")
    insert(db, range(6, 11))
    settles(lambda: used(db), [("vectorizer", "rows", "documents", "month", "tokens", 100, 100),
                               ("vectorizer", "rows", "documents", "month", "usd", 1, 0.1)])
    budgeted.cluster.restart()
    insert(db, range(11, 16))
    rests(db, 'budget of 100 tokens a month for documents of vectorizer "rows"')
    assert embedded(db) == 10
    # A budget that is set anew knows what was used of the one before.
    db.sql("SELECT ai.set_budget(NULL, 'tokens', vectorizer => 'rows'); SELECT ai.set_budget(120, 'tokens', vectorizer => 'rows')")
    rests(db, 'budget of 120 tokens a month for documents of vectorizer "rows"')
    assert embedded(db) == 12


def test_a_role_and_a_database_have_their_own_in_money(budgeted, stub):
    db = budgeted.db
    for role in ("alice", "bob"):
        db.sql(f"CREATE ROLE {role} LOGIN; SELECT ai.grant_vectorizer_usage('{role}'); CREATE SCHEMA AUTHORIZATION {role}")
        db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)", user=role)
        vectorizer.create(db, stub.url, f"{role}.document", user=role, name=f"'{role}s'")
    db.sql("SELECT ai.set_budget(0.05, role => 'alice'); SELECT ai.set_budget(0.15)")
    insert(db, range(1, 11), "document", user="alice")
    rests(db, 'budget of 0.05 USD a month for documents of role "alice"', "alices")
    assert embedded(db, "alice.document_embedding_store") == 5

    # Whose budget is not used up goes on, until that of all is.
    insert(db, range(1, 21), "document", user="bob")
    rests(db, "budget of 0.15 USD a month for documents of the database", "bobs")
    assert embedded(db, "bob.document_embedding_store") == 10
    settles(lambda: used(db), [("database", "budgeted", "documents", "month", "usd", 0.15, 0.15),
                               ("role", "alice", "documents", "month", "usd", 0.05, 0.05)])

    # Dropping a vectorizer gives nothing back.
    db.sql("SELECT ai.drop_vectorizer('alices', drop_all => true)", user="alice")
    db.sql("SELECT ai.set_budget(NULL)")
    vectorizer.create(db, stub.url, "alice.document", user="alice", name="'alices'")
    rests(db, 'budget of 0.05 USD a month for documents of role "alice"', "alices")
    settles(lambda: embedded(db, "bob.document_embedding_store"), 20)
    assert embedded(db, "alice.document_embedding_store") == 0


def test_a_model_without_a_price_is_not_counted_as_money_and_health_says_so(budgeted, stub):
    db = budgeted.db
    db.sql("DELETE FROM ai.model_override")
    vectorizer.create(db, stub.url, name="'rows'")
    warning = "SELECT warning FROM ai.vectorizer_health"
    assert db.value(warning) is None
    db.sql("SELECT ai.set_budget(0.01, vectorizer => 'rows')")
    server = stub.url.removesuffix("/v1")
    assert db.value(warning) == f"the price of the model openai/stub at {server} is not known: it counts nothing in a budget of money"
    insert(db, range(1, 11))
    vectorizer.in_step(db, ["id"])
    settles(lambda: db.value("SELECT sum(tokens) FROM ai.vectorizer_usage"), 100)
    assert used(db) == [("vectorizer", "rows", "documents", "month", "usd", 0.01, 0)]


QUESTION = "what is this?"


def refused(db, ask: str, **how) -> tuple:
    """What is said of a question that is refused."""
    with pytest.raises(psycopg.errors.ConfigurationLimitExceeded) as raised:
        db.sql(ask, **how)
    said = raised.value.diag
    assert "ai.set_budget()" in said.message_hint
    return said.message_primary, said.message_detail


@pytest.mark.parametrize("ask", [f"SELECT ai.vectorizer_embed('rows', '{QUESTION}')", f"SELECT * FROM ai.search('rows', '{QUESTION}')"])
def test_questions_have_a_budget_of_their_own(budgeted, stub, ask):
    db = budgeted.db
    vectorizer.create(db, stub.url, name="'rows'")
    db.sql("SELECT ai.set_budget(5, 'tokens', 'day', vectorizer => 'rows', purpose => 'queries')")
    db.sql(ask)
    # Whether the worker has written it or not; for a moment it may count twice.
    refused(db, ask)
    settles(lambda: used(db), [("vectorizer", "rows", "queries", "day", "tokens", 5, 3)])
    settles(lambda: refused(db, ask), ('budget of 5 tokens a day for queries of vectorizer "rows" exceeded',
                                       "It has used 3 tokens by now, and the request needs 4 more."))

    # Documents are none of it.
    insert(db, range(1, 11))
    vectorizer.in_step(db, ["id"])
    db.sql("SELECT ai.set_budget(7, 'tokens', 'day', vectorizer => 'rows', purpose => 'queries')")
    db.sql(ask)


def test_reranking_counts_as_a_question_does(budgeted, stub):
    db = budgeted.db
    vectorizer.create(db, stub.url, name="'rows'")
    insert(db, range(1, 11))
    vectorizer.in_step(db, ["id"])
    db.sql("SELECT ai.set_budget(50, 'tokens', 'day', purpose => 'queries')")
    ask = f"SELECT * FROM ai.search('rows', '{QUESTION}', rerank => ai.rerank_tei('{stub.url}', candidates => 10))"
    with pytest.raises(psycopg.errors.ConfigurationLimitExceeded, match="budget of 50 tokens a day for queries of the database exceeded"):
        db.sql(ask)
    assert stub.ranked == []
    db.sql("SELECT ai.set_budget(500, 'tokens', 'day', purpose => 'queries')")
    db.sql(ask)
    assert len(stub.ranked) == 1


def test_an_error_tells_money_as_people_do(budgeted, stub):
    db = budgeted.db
    vectorizer.create(db, stub.url, name="'rows'")
    db.sql("SELECT ai.set_budget(0.006, 'usd', 'day', purpose => 'queries')")
    ask = f"SELECT ai.vectorizer_embed('rows', '{QUESTION}')"
    db.sql(ask)
    # Three tokens are billed for a question of four by estimate.
    settles(lambda: refused(db, ask), ("budget of 0.006 USD a day for queries of the database exceeded",
                                       "It has used 0.003 USD by now, and the request needs 0.004 more."))


def test_a_role_asks_at_its_own_budget(budgeted, stub):
    db = budgeted.db
    vectorizer.create(db, stub.url, name="'rows'")
    for role in ("alice", "bob"):
        db.sql(f"CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA ai TO {role}; GRANT SELECT ON document_embedding_store TO {role}")
    db.sql("SELECT ai.set_budget(5, 'tokens', 'day', role => 'alice', purpose => 'queries')")
    ask = f"SELECT ai.vectorizer_embed('rows', '{QUESTION}')"
    for role in ("alice", "bob", "bob"):
        db.sql(ask, user=role)
    for _ in range(2):
        assert refused(db, ask, user="alice")[0] == 'budget of 5 tokens a day for queries of role "alice" exceeded'
        settles(lambda: used(db), [("role", "alice", "queries", "day", "tokens", 5, 3)])


MOST = 2**64 - 1


def test_a_server_that_says_any_number_uses_up_nobody_elses(budgeted, stub):
    db = budgeted.db
    db.sql("SELECT ai.set_budget(1e6, 'tokens', 'day')")
    stub.fail(float("inf"), tokens=MOST)
    vectorizer.create(db, stub.url, name="'rows'")
    insert(db, range(1, 11))
    vectorizer.in_step(db, ["id"])
    # As many as bytes, and a hundred for each text.
    settles(lambda: used(db), [("database", "budgeted", "documents", "day", "tokens", 1e6, 10 * (ROW + 100))])


def test_a_server_that_ranks_and_says_any_number_uses_up_nobody_elses(budgeted, stub):
    db = budgeted.db
    vectorizer.create(db, stub.url, name="'rows'")
    insert(db, range(1, 11))
    vectorizer.in_step(db, ["id"])
    db.sql("SELECT ai.set_budget(1e6, 'tokens', 'day', purpose => 'queries')")
    stub.fail(float("inf"), when=lambda request: request.question is not None, tokens=MOST)
    db.sql(f"SELECT * FROM ai.search('rows', '{QUESTION}', rerank => ai.rerank_cohere('stub', api_key_name => NULL, candidates => 10, base_url => '{stub.url}'))")
    # The question counts with each text, and was asked itself before.
    settles(lambda: used(db), [("database", "budgeted", "queries", "day", "tokens", 1e6, 10 * (ROW + len(QUESTION) + 100) + 3)])


def test_a_budget_begins_anew(budgeted, stub):
    db = budgeted.db
    vectorizer.create(db, stub.url, name="'rows'")
    db.sql("SELECT ai.set_budget(100, 'tokens', 'day', vectorizer => 'rows')")
    insert(db, range(1, 31))
    rests(db, 'budget of 100 tokens a day for documents of vectorizer "rows"')
    settles(lambda: used(db), [("vectorizer", "rows", "documents", "day", "tokens", 100, 100)])
    # Nor does an amount change what was used, but where it is said.
    db.sql("SELECT ai.set_budget(99, 'tokens', 'day', vectorizer => 'rows')")
    assert used(db) == [("vectorizer", "rows", "documents", "day", "tokens", 99, 100)]
    db.sql("SELECT ai.set_budget(100, 'tokens', 'day', vectorizer => 'rows', used => 0)")
    settles(lambda: embedded(db), 20)
    settles(lambda: used(db), [("vectorizer", "rows", "documents", "day", "tokens", 100, 100)])
    db.sql("SELECT ai.set_budget(1000, 'tokens', 'day', vectorizer => 'rows', used => 850)")
    vectorizer.in_step(db, ["id"])
    settles(lambda: used(db), [("vectorizer", "rows", "documents", "day", "tokens", 1000, 950)])

    for arguments in ("1, used => -1", "1, used => 'NaN'", "NULL, used => 0"):
        with pytest.raises(psycopg.errors.InvalidParameterValue):
            db.sql(f"SELECT ai.set_budget({arguments})")


def test_who_sets_a_budget_and_keeps_it_open_keeps_nobody_from_setting_one(budgeted):
    """Whoever sets one deletes those of vectorizers that are gone."""
    db = budgeted.db
    db.sql("CREATE ROLE mallory LOGIN; SELECT ai.grant_vectorizer_usage('mallory'); CREATE SCHEMA AUTHORIZATION mallory")
    for name in ("gone", "kept"):
        db.sql(f"CREATE TABLE {name} (id int PRIMARY KEY, body text)", user="mallory")
        vectorizer.create(db, "", f"mallory.{name}", user="mallory", name=f"'{name}'", embedding="ai.embedding_openai('m', 8)")
    db.sql("SELECT ai.set_budget(1, vectorizer => 'gone'); SELECT ai.drop_vectorizer('gone')", user="mallory")
    with db.connect(autocommit=False, user="mallory") as session:
        session.execute("SELECT ai.set_budget(1, vectorizer => 'kept')")
        db.sql("SET lock_timeout = '5s'; SELECT ai.set_budget(1); SELECT ai.set_budget(NULL)")
        session.rollback()
    db.sql("SELECT ai.set_budget(1)")
    assert db.sql("SELECT holder FROM ai._budget_state") == [("database",)]


def test_who_sets_a_budget_and_keeps_it_open_stops_nobody(budgeted, stub):
    db = budgeted.db
    vectorizer.create(db, stub.url, name="'rows'")
    db.sql("SELECT ai.set_budget(1000, 'tokens', vectorizer => 'rows')")
    with db.connect(autocommit=False) as session:
        session.execute("SELECT ai.set_budget(NULL, 'tokens', vectorizer => 'rows')")
        insert(db, range(1, 11))
        vectorizer.in_step(db, ["id"])
        settles(lambda: used(db), [("vectorizer", "rows", "documents", "month", "tokens", 1000, 100)])
        session.rollback()


def test_owners_set_those_of_their_vectorizers_and_superusers_the_others(budgeted, stub):
    db = budgeted.db
    for role in ("alice", "mallory", "watcher"):
        db.sql(f"CREATE ROLE {role} LOGIN; SELECT ai.grant_vectorizer_usage('{role}'); CREATE SCHEMA AUTHORIZATION {role}")
    db.sql("GRANT pg_monitor TO watcher; ALTER DATABASE budgeted OWNER TO mallory")
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)", user="alice")
    vectorizer.create(db, stub.url, "alice.document", user="alice", name="'alices'")
    db.sql("SELECT ai.set_budget(5, vectorizer => 'alices')", user="alice")
    db.sql("SELECT ai.set_budget(7, role => 'alice'); SELECT ai.set_budget(9)")

    for statement in ("SELECT ai.set_budget(1)", "SELECT ai.set_budget(NULL)", "SELECT ai.set_budget(1, role => 'mallory')",
                      "SELECT ai.set_budget(1, vectorizer => 'alices')", "DELETE FROM ai._budget", "SELECT * FROM ai._budget_used",
                      "SELECT * FROM ai._budget_state"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            db.sql(statement, user="mallory")
    for statement, error in (("SELECT ai.set_budget(-1)", "InvalidParameterValue"), ("SELECT ai.set_budget('NaN')", "InvalidParameterValue"),
                             ("SELECT ai.set_budget(1, 'eur')", "InvalidParameterValue"),
                             ("SELECT ai.set_budget(1, role => 'nobody')", "UndefinedObject"),
                             ("SELECT ai.set_budget(1, vectorizer => 'none')", "UndefinedObject")):
        with pytest.raises(getattr(psycopg.errors, error)):
            db.sql(statement)

    seen = lambda role: [holder for [holder] in db.sql("SELECT holder FROM ai.budgets ORDER BY holder", user=role)]  # noqa: E731
    assert seen("watcher") == seen("postgres") == ["database", "role", "vectorizer"]
    # Whoever owns the database monitors all of it.
    assert (seen("alice"), seen("mallory")) == (["role", "vectorizer"], ["database", "role", "vectorizer"])
    db.sql("DROP OWNED BY alice; DROP ROLE alice")
    assert seen("postgres") == ["database"]
