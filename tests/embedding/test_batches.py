"""Existing rows by the provider's batch API: at half the price, within a day, and nothing lost or paid for twice."""

import math
import os
import signal
from types import SimpleNamespace

import psycopg
import pytest
from support import egress, vectorizer
from support.stub import Stub
from support.wait import eventually, settles
from support.worker import the_worker, workers

BY_BATCH = {"processing": "ai.processing_default(backfill => 'batch')"}


@pytest.fixture
def batching(cluster_factory, stub):
    """A database with ten rows, whose worker writes down each second what was used."""
    conf = egress.settings(stub.url) | {"pgai_rs.heartbeat_interval": "1s", "pgai_rs.poll_interval": "1s"}
    cluster = cluster_factory(conf=conf)
    db = cluster.create_database("batching")
    db.sql("CREATE EXTENSION pgai_rs CASCADE; CREATE TABLE document (id int PRIMARY KEY, body text)")
    db.sql("INSERT INTO document SELECT n, 'row ' || n || ' one|row ' || n || ' two|the same' FROM generate_series(1, 10) n")
    return SimpleNamespace(cluster=cluster, db=db)


def ordinary(stub) -> list[str]:
    """The inputs that have gone the ordinary way."""
    return sorted(text for request in list(stub.requests) for text in request.inputs)


def submitted(stub, count: int = 1):
    """Waits until the provider has so many batches; returns the last."""
    return eventually(lambda: len(stub.batches.all()) == count and stub.batches.all()[-1], what="the batch to be submitted")


def state(db) -> list[tuple]:
    return db.sql("SELECT state, inputs FROM ai.vectorizer_batches ORDER BY batch")


def forgotten(db) -> None:
    """Waits until nothing is left of the batches."""
    tables = ["_vectorizer_batch", "_vectorizer_batch_input"]
    settles(lambda: [db.value(f"SELECT count(*) FROM ai.{table}") for table in tables], [0, 0])


def used(db) -> dict[str, tuple]:
    rows = db.sql("""SELECT purpose, sum(inputs)::int, sum(tokens)::int, sum(estimated_tokens)::int, sum(documents)::int
                     FROM ai.vectorizer_usage GROUP BY purpose""")
    return {purpose: sums for purpose, *sums in rows}


def kill_worker(db) -> None:
    """Kills it, and with it all processes of the server, and waits for the next one."""
    killed = the_worker(db)
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: set(workers(db.cluster, db.name)) - {killed}, ignoring=(psycopg.Error,), what="another worker")


def test_existing_rows_wait_for_the_batch_and_new_ones_do_not(batching, stub):
    db = batching.db
    vectorizer.create(db, stub.url, name="'rows'", **BY_BATCH)
    batch = submitted(stub)
    # Equal inputs of all rows are sent once.
    assert len(batch.inputs) == 21 and len(set(batch.inputs)) == 21
    look = "SELECT state, reason, hint FROM ai.vectorizer_health WHERE reason LIKE '%%submitted%%'"
    [(word, reason, hint)] = eventually(lambda: db.sql(look), what="the batch to show in health")
    assert word == "waiting_for_batch" and "ai.vectorizer_batches" in hint
    assert "21 inputs" in reason and "24 hours" in reason
    promise = db.sql("SELECT state, promised_by - submitted_at = interval '24 hours' FROM ai.vectorizer_batches")
    assert promise == [("submitted", True)]

    db.sql("INSERT INTO document VALUES (11, 'a new row')")
    settles(lambda: db.value("SELECT count(*) FROM document_embedding_store"), 1)
    assert ordinary(stub) == ["a new row"]
    assert db.value("SELECT pending_items FROM ai.vectorizer_health") == 10

    stub.batches.finish(batch)
    vectorizer.in_step(db, ["id"])
    assert ordinary(stub) == ["a new row"]
    settles(lambda: used(db), {"documents": [1, 2, 0, 1], "batches": [21, stub.batches.tokens(), 0, 10]})
    forgotten(db)
    settles(lambda: sorted(stub.batches.deleted), sorted([batch.input_file, batch.output_file]))
    assert db.sql("SELECT state, failed_items, last_error FROM ai.vectorizer_health") == [("idle", 0, None)]


def test_a_row_that_changes_meanwhile_goes_the_ordinary_way(batching, stub):
    db = batching.db
    vectorizer.create(db, stub.url, **BY_BATCH)
    batch = submitted(stub)
    db.sql("UPDATE document SET body = 'row 3 one|changed' WHERE id = 3; DELETE FROM document WHERE id = 4")
    settles(lambda: db.value("SELECT count(*) FROM document_embedding_store WHERE id = 3"), 2)
    assert ordinary(stub) == ["changed", "row 3 one"]
    stub.batches.finish(batch)
    vectorizer.in_step(db, ["id"])
    # What the batch has brought serves a row that changes later, too, for as long as it is there.
    assert ordinary(stub) == ["changed", "row 3 one"]


def test_inputs_without_an_answer_go_the_ordinary_way_and_their_neighbours_are_stored(batching, stub):
    db = batching.db

    def spoil(text, answer):
        body = answer["response"]["body"]
        if text == "row 2 one":
            return None
        if text == "row 3 one":
            body["data"][0]["embedding"] = [1.0] * 7
        if text == "row 4 one":
            body["data"][0]["embedding"] = [None] * 8
        if text == "row 5 one":
            return answer | {"custom_id": "pgai_rs-99999"}
        if text == "row 6 one":
            return answer | {"custom_id": "of another"}
        return answer

    vectorizer.create(db, stub.url, **BY_BATCH)
    stub.batches.finish(submitted(stub), but=["row 1 one"], spoil=spoil, more=b'no JSON\n[]\n{"custom_id": 1}\n')
    vectorizer.in_step(db, ["id"])
    assert ordinary(stub) == [f"row {n} one" for n in range(1, 7)]
    forgotten(db)


def test_an_endless_file_is_not_read_to_its_end(batching, stub):
    db = batching.db
    vectorizer.create(db, stub.url, **BY_BATCH)
    stub.batches.finish(submitted(stub), more=b"x" * (20 << 20))
    vectorizer.in_step(db, ["id"])
    assert not set(ordinary(stub)) - {text for [body] in db.sql("SELECT body FROM document") for text in body.split("|")}
    forgotten(db)


def test_a_batch_that_expires_is_used_for_its_part(batching, stub):
    db = batching.db
    vectorizer.create(db, stub.url, **BY_BATCH)
    keep = lambda text, answer: answer if "two" in text else None  # noqa: E731
    stub.batches.finish(submitted(stub), "expired", spoil=keep)
    vectorizer.in_step(db, ["id"])
    assert set(ordinary(stub)) == {f"row {n} one" for n in range(1, 11)} | {"the same"}
    settles(lambda: used(db)["batches"][1], stub.batches.tokens())


def test_a_batch_that_is_refused_costs_nothing_and_says_why(batching, stub):
    db = batching.db
    vectorizer.create(db, stub.url, **BY_BATCH)
    batch = submitted(stub)
    with stub.held():
        stub.batches.fail(batch, "invalid_json_line")
        settles(lambda: db.sql("SELECT state, problem FROM ai.vectorizer_batches"),
                [("done", "the provider refused it: invalid_json_line")])
    vectorizer.in_step(db, ["id"])
    assert len(ordinary(stub)) >= 21
    assert "batches" not in used(db)


def test_a_provider_without_a_batch_api_is_asked_the_ordinary_way(batching, stub):
    db = batching.db
    stub.batches.refuse("POST /v1/files", 404, times=1000)
    vectorizer.create(db, stub.url, **BY_BATCH)
    vectorizer.in_step(db, ["id"])
    assert stub.batches.all() == []
    forgotten(db)


def test_no_room_for_more_tokens_is_waited_for(batching, stub):
    db = batching.db
    vectorizer.create(db, stub.url, **BY_BATCH)
    stub.batches.fail(submitted(stub), "token_limit_exceeded")
    settles(lambda: db.sql("SELECT state, problem LIKE '%%no room%%' FROM ai.vectorizer_batches"), [("uploaded", True)])
    assert ordinary(stub) == [] and len(stub.batches.files) == 1


@pytest.mark.parametrize("step", ["POST /v1/files", "POST /v1/batches$", "GET /v1/batches/", "GET /v1/files/"])
def test_a_provider_that_is_down_is_asked_again(batching, stub, step):
    db = batching.db
    stub.batches.at_once = True
    stub.batches.refuse(step, 503, times=2)
    vectorizer.create(db, stub.url, **BY_BATCH)
    vectorizer.in_step(db, ["id"])
    assert ordinary(stub) == []
    assert max(stub.batches.embedded.values()) == 1


def test_a_batch_whose_answer_was_lost_is_found_and_not_made_twice(batching, stub):
    db = batching.db
    stub.batches.at_once = True
    stub.batches.lost_answers = 1
    vectorizer.create(db, stub.url, **BY_BATCH)
    vectorizer.in_step(db, ["id"])
    assert len(stub.batches.all()) == 1
    assert ordinary(stub) == []


@pytest.mark.parametrize("step", ["POST /v1/files", "POST /v1/batches$", "GET /v1/batches/", "GET /v1/files/"])
def test_nothing_is_paid_twice_if_the_server_dies(batching, stub, step):
    """Between upload, creation, looking and fetching: each request of a kind fails until the server has died."""
    db = batching.db
    stub.batches.at_once = True
    stub.batches.refuse(step, 503, times=1_000_000)
    vectorizer.create(db, stub.url, **BY_BATCH)
    method, path = step.removesuffix("$").split()
    eventually(lambda: any(line.startswith(f"{method} {path}") for line in list(stub.batches.log)), what="the step")
    kill_worker(db)
    stub.batches.refusals.clear()
    vectorizer.in_step(db, ["id"])
    assert len(stub.batches.all()) == 1
    assert ordinary(stub) == []
    assert max(stub.batches.embedded.values()) == 1


def test_a_death_after_creation_makes_no_second_batch(batching, stub):
    db = batching.db
    stub.batches.lost_answers = 1_000
    stub.batches.refuse("GET /v1/batches$", 503, times=1_000_000)
    vectorizer.create(db, stub.url, **BY_BATCH)
    submitted(stub)
    kill_worker(db)
    stub.batches.refusals.clear()
    stub.batches.at_once = True
    vectorizer.in_step(db, ["id"])
    assert len(stub.batches.all()) == 1
    assert ordinary(stub) == []


def test_dropping_the_vectorizer_gives_the_batch_up(batching, stub):
    db = batching.db
    vectorizer.create(db, stub.url, name="'rows'", **BY_BATCH)
    batch = submitted(stub)
    settles(lambda: state(db), [("submitted", 21)])
    db.sql("SELECT ai.drop_vectorizer('rows', drop_all => true)")
    settles(lambda: (stub.batches.cancelled, stub.batches.deleted), ([batch.id], [batch.input_file]))
    forgotten(db)
    # What was done of it may be billed.
    inputs, tokens, estimated, _ = eventually(lambda: used(db).get("batches"), what="the use to be written")
    assert inputs == 21 and tokens == estimated > 0


def test_a_batch_is_billed_although_its_vectorizer_is_dropped_before_a_new_worker_knows_it(batching, stub):
    db = batching.db
    number = vectorizer.create(db, stub.url, name="'rows'", **BY_BATCH)
    submitted(stub)
    settles(lambda: state(db), [("submitted", 21)])
    estimated = db.value("SELECT tokens FROM ai._vectorizer_batch")
    db.sql("SELECT ai.set_budget(1000000, 'tokens', 'day'); SELECT ai.disable_vectorizer_schedule(%d)" % number)
    kill_worker(db)
    db.sql("SELECT ai.drop_vectorizer('rows', drop_all => true)")
    forgotten(db)
    use = "SELECT purpose, sum(inputs)::int, sum(tokens)::int FROM ai._usage WHERE tokens > 0 GROUP BY purpose"
    settles(lambda: db.sql(use), [("batches", 21, estimated)])
    settles(lambda: db.value("SELECT used FROM ai.budgets"), estimated)


def test_a_server_that_bills_any_number_uses_up_no_budget_of_others(batching, stub):
    db = batching.db
    vectorizer.create(db, stub.url, **BY_BATCH)
    db.sql("SELECT ai.set_budget(1000000, 'tokens', 'day')")
    batch = submitted(stub)

    def boast(_, answer):
        answer["response"]["body"]["usage"] = {"prompt_tokens": 9 * 10**18, "total_tokens": 9 * 10**18}
        return answer

    stub.batches.finish(batch, spoil=boast)
    vectorizer.in_step(db, ["id"])
    # A text has no more tokens than bytes, but for some that a model may spell out.
    most = sum(len(text) + 100 for text in batch.inputs)
    settles(lambda: used(db)["batches"][1], most)
    assert db.value("SELECT used FROM ai.budgets") == most


def test_leaving_the_option_out_gives_the_batch_up_and_the_rows_go_on(batching, stub):
    db = batching.db
    vectorizer.create(db, stub.url, name="'rows'", **BY_BATCH)
    batch = submitted(stub)
    settles(lambda: state(db), [("submitted", 21)])
    db.sql("SELECT ai.alter_vectorizer('rows', processing => ai.processing_default())")
    vectorizer.in_step(db, ["id"])
    assert stub.batches.cancelled == [batch.id]
    forgotten(db)


def test_a_disabled_vectorizer_leaves_its_batch_with_the_provider(batching, stub):
    db = batching.db
    number = vectorizer.create(db, stub.url, **BY_BATCH)
    batch = submitted(stub)
    settles(lambda: state(db), [("submitted", 21)])
    db.sql("SELECT ai.disable_vectorizer_schedule(%s)", [number])
    stub.batches.finish(batch)
    db.sql("SELECT ai.enable_vectorizer_schedule(%s)", [number])
    vectorizer.in_step(db, ["id"])
    assert ordinary(stub) == [] and stub.batches.cancelled == []


@pytest.fixture
def aged(batching):
    """A function that makes all batches older."""

    def age(hours: int) -> None:
        batching.db.sql(f"""UPDATE ai._vectorizer_batch SET opened_at = opened_at - interval '{hours} hours',
                                submitted_at = submitted_at - interval '{hours} hours'""")

    return age


def test_what_a_disabled_vectorizer_has_with_the_provider_ends_after_its_time(batching, stub, aged):
    db = batching.db
    number = vectorizer.create(db, stub.url, **BY_BATCH)
    submitted(stub)
    settles(lambda: state(db), [("submitted", 21)])
    db.sql("SELECT ai.disable_vectorizer_schedule(%s)", [number])
    aged(27)
    settles(lambda: state(db), [("done", 21)])
    db.sql("SELECT ai.enable_vectorizer_schedule(%s)", [number])
    vectorizer.in_step(db, ["id"])
    assert set(ordinary(stub)) == set(submitted(stub).inputs)


def test_a_disabled_vectorizer_holds_no_budget_for_what_it_has_not_sent(batching, stub, aged):
    db = batching.db
    db.sql("CREATE TABLE other (id int PRIMARY KEY, body text)")
    stub.batches.refuse("POST /v1/files", 503, math.inf)
    number = vectorizer.create(db, stub.url, **BY_BATCH, enqueue_existing="false")
    vectorizer.create(db, stub.url, "other", name="'others'")
    db.sql("SELECT ai.set_budget(1000, 'tokens', 'day'); SELECT ai.resync(%d)" % number)
    settles(lambda: state(db), [("ready", 21)])
    # All of it is set aside for the batch; the row takes all of it as well.
    db.sql("SELECT ai.set_budget(tokens, 'tokens', 'day') FROM ai._vectorizer_batch")
    db.sql("INSERT INTO other VALUES (1, rpad('a row of many words ', 440, 'words '))")
    settles(lambda: db.value("SELECT state FROM ai.vectorizer_health WHERE name = 'others'"), "at_limit")
    db.sql("SELECT ai.disable_vectorizer_schedule(%d)" % number)
    settles(lambda: db.value("SELECT count(*) FROM other_embedding_store"), 1)

    # Nothing of the budget is left for the batch when it is enabled again.
    stub.batches.refusals.clear()
    db.sql("SELECT ai.enable_vectorizer_schedule(%d)" % number)
    problem = "SELECT state, problem LIKE '%is used up%' FROM ai.vectorizer_batches"
    settles(lambda: db.sql(problem), [("ready", True)])
    assert stub.batches.all() == []
    db.sql("SELECT ai.set_budget(1000, 'tokens', 'day')")
    stub.batches.finish(submitted(stub))
    vectorizer.in_step(db, ["id"])


def test_what_a_disabled_vectorizer_has_not_sent_is_given_up_after_a_day(batching, stub, aged):
    db = batching.db
    stub.batches.refuse("POST /v1/files", 503, math.inf)
    number = vectorizer.create(db, stub.url, **BY_BATCH)
    settles(lambda: state(db), [("ready", 21)])
    db.sql("SELECT ai.disable_vectorizer_schedule(%d)" % number)
    aged(25)
    settles(lambda: state(db), [("done", 21)])
    db.sql("SELECT ai.enable_vectorizer_schedule(%d)" % number)
    vectorizer.in_step(db, ["id"])
    assert stub.batches.all() == [] and len(ordinary(stub)) == 21


def test_another_server_is_not_told_of_a_batch(batching, stub):
    db, other = batching.db, Stub()
    try:
        batching.cluster.sql(f"ALTER SYSTEM SET pgai_rs.allowed_base_urls = '{stub.url}, {other.url}'")
        batching.cluster.reload()
        vectorizer.create(db, stub.url, name="'rows'", **BY_BATCH)
        batch = submitted(stub)
        settles(lambda: state(db), [("submitted", 21)])
        embedding = f"ai.embedding_openai('stub', 8, base_url => '{other.url}')"
        db.sql(f"SELECT ai.alter_vectorizer('rows', embedding => {embedding})")
        vectorizer.in_step(db, ["id"])
        forgotten(db)
        settles(lambda: (stub.batches.cancelled, stub.batches.deleted), ([batch.id], [batch.input_file]))
        assert other.batches.log == [] and len(other.requests) > 0
    finally:
        other.close()


def test_what_is_too_much_for_batches_goes_the_ordinary_way(batching, stub):
    db = batching.db
    stub.batches.refuse("POST /v1/files", 503, math.inf)
    number = vectorizer.create(db, stub.url, **BY_BATCH)
    settles(lambda: state(db), [("ready", 21)])
    db.sql("""INSERT INTO ai._vectorizer_batch (vectorizer_id, model, state, held_until, opened_at)
              SELECT b.vectorizer_id, b.model, 'ready', b.held_until + n * interval '1 second', now()
              FROM ai._vectorizer_batch b, generate_series(1, 249) n""")
    db.sql("INSERT INTO document VALUES (11, 'one|of those|that are too many'); SELECT ai.resync(%d)" % number)
    settles(lambda: db.value("SELECT count(*) FROM document_embedding_store WHERE id = 11"), 3)
    assert ordinary(stub) == ["of those", "one", "that are too many"]
    assert db.value("SELECT count(*) FROM ai._vectorizer_batch") == 250


def test_no_more_is_collected_than_a_budget_has(batching, stub):
    db = batching.db
    db.sql("UPDATE document SET body = rpad('row ' || id || ' ', 40, 'x')")
    number = vectorizer.create(db, stub.url, name="'rows'", **BY_BATCH, enqueue_existing="false")
    db.sql("SELECT ai.set_budget(50, 'tokens', 'day', vectorizer => 'rows'); SELECT ai.resync(%d)" % number)
    batch = submitted(stub)
    assert len(batch.inputs) == 5
    stub.batches.finish(batch)
    settles(lambda: db.value("SELECT count(*) FROM document_embedding_store"), 5)
    settles(lambda: db.value("SELECT used FROM ai.budgets"), 50)
    assert len(stub.batches.all()) == 1 and ordinary(stub) == []
    db.sql("SELECT ai.set_budget(1000, 'tokens', 'day', vectorizer => 'rows')")
    stub.batches.at_once = True
    vectorizer.in_step(db, ["id"])
    assert ordinary(stub) == []


def test_a_successor_is_built_by_batch(batching, stub):
    db = batching.db
    vectorizer.create(db, stub.url, name="'rows'")
    vectorizer.in_step(db, ["id"])
    stub.forget()
    embedding = f"ai.embedding_openai('other', 8, base_url => '{stub.url}')"
    db.sql(f"SELECT ai.alter_vectorizer('rows', embedding => {embedding}, processing => {BY_BATCH['processing']}, keep_old => '0')")
    batch = submitted(stub)
    assert ordinary(stub) == [] and batch.lines[0]["body"]["model"] == "other"
    stub.batches.finish(batch)
    settles(lambda: db.sql("SELECT FROM ai.vectorizer_alterations"), [])
    vectorizer.in_step(db, ["id"])
    assert ordinary(stub) == []


def test_only_the_owner_sees_a_batch_and_nobody_the_texts(batching, stub):
    db = batching.db
    vectorizer.create(db, stub.url, **BY_BATCH)
    submitted(stub)
    db.sql("CREATE ROLE mallory LOGIN; GRANT pg_read_all_data TO mallory; GRANT USAGE ON SCHEMA ai TO mallory")
    for table in ["_vectorizer_batch", "_vectorizer_batch_input", "_vectorizer_backfill"]:
        assert db.value(f"SELECT count(*) FROM ai.{table}", user="mallory") == 0
    db.sql("REVOKE pg_read_all_data FROM mallory")
    assert db.value("SELECT count(*) FROM ai.vectorizer_batches", user="mallory") == 0


def test_it_is_refused_for_providers_without_one(batching, stub):
    db = batching.db
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="for models of OpenAI only"):
        vectorizer.create(db, stub.url, embedding="ai.embedding_ollama('m', 8)", **BY_BATCH)
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="backfill must be 'batch' or NULL"):
        vectorizer.create(db, stub.url, processing="ai.processing_default(backfill => 'soon')")


def test_a_restored_database_embeds_the_ordinary_way_what_was_on_its_way(batching, stub):
    db, cluster = batching.db, batching.cluster
    vectorizer.create(db, stub.url, **BY_BATCH)
    submitted(stub)
    waiting = "SELECT count(*) FROM ai._vectorizer_work_1 WHERE available_at > now() + interval '1 day'"
    settles(lambda: db.value(waiting), 10)
    copy = cluster.create_database("copy")
    psql = ("--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={copy.name}")
    cluster.run("psql", *psql, input=cluster.run("pg_dump", db.name))
    vectorizer.restored(copy)
    vectorizer.in_step(copy, ["id"])
    assert len(stub.batches.all()) == 1 and len(set(ordinary(stub))) == 21
    # The original still waits.
    assert db.value(waiting) == 10


def test_what_a_batch_of_openai_used_costs_half(batching):
    db = batching.db
    used = """INSERT INTO ai._usage (day, vectorizer, purpose, model, server, vectorizer_id, name, requests, inputs, bytes, documents,
                                     tokens, estimated_tokens, billed_bytes)
              SELECT current_date, gen_random_uuid(), purpose, model, server, 0, '', 1, 1, 1, 1, 1000000, 0, 1
              FROM (VALUES ('documents', 'openai/text-embedding-3-small', ''), ('batches', 'openai/text-embedding-3-small', ''),
                           ('documents', 'openai/m', 'http://h/v1'), ('batches', 'openai/m', 'http://h/v1'))
                   AS v (purpose, model, server)"""
    db.sql("INSERT INTO ai.model_override (model, server, usd_per_million_tokens) VALUES ('openai/m', 'http://h/v1', 1)")
    db.sql(used)
    usd = dict(db.sql("SELECT (model, purpose)::text, usd FROM ai.vectorizer_usage"))
    model = "openai/text-embedding-3-small"
    assert usd[f"({model},batches)"] == usd[f"({model},documents)"] / 2 > 0
    assert usd["(openai/m,batches)"] == usd["(openai/m,documents)"] == 1


def test_the_price_is_half_of_it(batching):
    db = batching.db

    def usd(processing: str) -> float:
        return db.value(f"""SELECT amount FROM ai.explain_vectorizer('document', loading => ai.loading_column('body'),
            embedding => ai.embedding_openai('text-embedding-3-small', 1536), processing => {processing}) WHERE measure = 'usd'""")

    db.sql("UPDATE document SET body = repeat(body || ' ', 10000)")
    whole, half = usd("ai.processing_default()"), usd(BY_BATCH["processing"])
    assert whole > 0 and half == pytest.approx(whole / 2, rel=1e-3)


def test_who_drops_a_vectorizer_and_keeps_the_transaction_open_holds_up_nobody_elses_batch(batching, stub):
    db = batching.db
    db.sql("CREATE TABLE other (id int PRIMARY KEY, body text)")
    vectorizer.create(db, stub.url, name="'rows'", **BY_BATCH)
    first = submitted(stub)
    settles(lambda: state(db), [("submitted", 21)])
    with db.connect() as session, session.transaction(force_rollback=True):
        session.execute("SELECT ai.drop_vectorizer('rows')")
        db.sql("INSERT INTO other VALUES (1, 'of another')")
        vectorizer.create(db, stub.url, "other", name="'others'", **BY_BATCH)
        stub.batches.finish(submitted(stub, 2))
        settles(lambda: db.value("SELECT count(*) FROM other_embedding_store"), 1)
        stub.batches.finish(first)
    vectorizer.in_step(db, ["id"])
    assert ordinary(stub) == []


def test_who_enqueues_all_rows_and_keeps_the_transaction_open_keeps_nobody_from_declaring(batching, stub):
    db = batching.db
    db.sql("CREATE TABLE other (id int PRIMARY KEY, body text)")
    for name, table in (("rows", "document"), ("others", "other")):
        vectorizer.create(db, stub.url, table, name=f"'{name}'")
    # Of a month ago.
    db.sql("INSERT INTO ai._vectorizer_backfill SELECT id, now() - interval '31 days' FROM ai.vectorizer")
    with db.connect() as session, session.transaction(force_rollback=True):
        session.execute("SELECT ai.resync('rows')")
        db.sql("SET statement_timeout = '20s'; SELECT ai.resync('others')")
        db.sql("SET statement_timeout = '20s'; SELECT ai.drop_vectorizer('others')")
    vectorizer.in_step(db, ["id"])
