"""A vectorizer with a schedule is worked on at its times; the others whenever there is work."""

import psycopg
import pytest
from support import vectorizer
from support.wait import eventually, settles

HOURLY = "ai.scheduling_timescaledb('1 hour')"


@pytest.fixture
def document(db):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text); INSERT INTO document VALUES (1, 'a')")
    return db


def health(db) -> dict:
    return db.value("SELECT to_jsonb(h) FROM ai.vectorizer_health h")


def rests(db) -> None:
    eventually(lambda: health(db)["state"] == "scheduled", what="the vectorizer to wait for its time")


def now(db):
    return db.value("SELECT clock_timestamp()")


def run_is_over(db, since) -> None:
    """Waits until a run has ended that began after `since`: what is inserted before belongs to it."""
    look = "SELECT FROM ai._vectorizer_worker_condition WHERE state = 'scheduled' AND since >= %s"
    eventually(lambda: db.sql(look, [since]), what="the run to end")


@pytest.mark.parametrize(
    "given, config",
    [
        ("", {"schedule_interval": "00:05:00"}),
        (
            "'1 day', '2050-01-06 00:00:00+00', true, 'Europe/Berlin'",
            {
                "schedule_interval": "1 day",
                "initial_start": "2050-01-06T00:00:00+00:00",
                "fixed_schedule": True,
                "timezone": "Europe/Berlin",
            },
        ),
    ],
)
def test_its_json_is_pgais(db, given, config):
    wanted = {"config_type": "scheduling", "implementation": "timescaledb"} | config
    db.sql(f"ALTER DATABASE {db.name} SET timezone = 'UTC'")
    assert db.value(f"SELECT ai.scheduling_timescaledb({given})") == wanted


def test_it_runs_at_once_and_then_rests(document, stub):
    begun = now(document)
    vectorizer.create(document, stub.url, scheduling=HOURLY)
    vectorizer.in_step(document, ["id"])
    run_is_over(document, begun)
    document.sql("INSERT INTO document VALUES (2, 'b')")
    rests(document)
    assert document.sql("SELECT chunk FROM document_embedding_store") == [("a",)]
    document.sql("SELECT ai.set_scheduling(1, ai.scheduling_none(), ai.indexing_none())")
    vectorizer.in_step(document, ["id"])


def test_before_its_first_time_it_rests(document, stub):
    vectorizer.create(
        document, stub.url, scheduling="ai.scheduling_timescaledb('1 day', initial_start => now() + interval '1 year')"
    )
    rests(document)
    assert document.value("SELECT count(*) FROM document_embedding_store") == 0
    assert document.value("SELECT until > now() + interval '360 days' FROM ai.vectorizer_health")


@pytest.mark.parametrize(
    "every, since, left",
    [
        ("1 hour", "now() - interval '90 minutes'", "30 minutes"),
        ("1 day", "now() - interval '1000 days 6 hours'", "18 hours"),
        ("1 month", "now() + interval '10 days' - interval '30 months'", "10 days"),
    ],
)
def test_its_times_are_whole_intervals_after_the_first(document, stub, every, since, left):
    schedule = f"ai.scheduling_timescaledb('{every}', initial_start => {since}, timezone => 'UTC')"
    vectorizer.create(document, stub.url, scheduling=schedule)
    rests(document)
    off = f"SELECT abs(extract(epoch FROM until - now() - interval '{left}')) FROM ai.vectorizer_health"
    # A month's last days are moved by Postgres' own reckoning.
    assert document.value(off) < (4 * 86400 if every == "1 month" else 60)


def test_it_works_at_each_of_its_times(document, stub):
    vectorizer.create(document, stub.url, scheduling="ai.scheduling_timescaledb('200 milliseconds')")
    for number in range(2, 5):
        document.sql("INSERT INTO document VALUES (%s, 'x')", [number])
        vectorizer.in_step(document, ["id"])


def test_a_row_that_fails_does_not_keep_it_awake(document, stub):
    stub.fail(times=float("inf"), status=500)
    vectorizer.create(document, stub.url, scheduling=HOURLY)
    eventually(lambda: health(document)["until"] is not None)
    stub.heal()
    document.sql("SELECT ai.set_scheduling('public_document_embedding_store', ai.scheduling_none())")
    vectorizer.in_step(document, ["id"])


@pytest.mark.parametrize(
    "schedule, message",
    [
        ("ai.scheduling_timescaledb('0 seconds')", "schedule_interval and each part of it must be positive"),
        ("ai.scheduling_timescaledb(NULL)", "needs a schedule_interval"),
        ("ai.scheduling_timescaledb('1 day', timezone => 'Nowhere')", "Nowhere"),
        ("""'{"config_type": "scheduling", "implementation": "cron"}'""", "unrecognized scheduling implementation"),
        ("""'{"config_type": "scheduling"}'""", "scheduling implementation not specified"),
    ],
)
def test_what_is_no_schedule_is_refused(document, stub, schedule, message):
    with pytest.raises(psycopg.Error, match=message):
        vectorizer.create(document, stub.url, scheduling=schedule)
    number = vectorizer.create(document, stub.url)
    with pytest.raises(psycopg.Error, match=message):
        document.sql(f"SELECT ai.set_scheduling({number}, {schedule})")


def test_pgais_setting_chooses_the_default(document, stub):
    document.sql(f"ALTER DATABASE {document.name} SET ai.scheduling_default = 'scheduling_timescaledb'")
    vectorizer.create(document, stub.url)
    scheduling = document.value("SELECT config -> 'scheduling' FROM ai.vectorizer")
    assert scheduling == document.value("SELECT ai.scheduling_timescaledb()")
    settles(lambda: document.sql("SELECT chunk FROM document_embedding_store"), [("a",)])


def test_set_scheduling_answers_the_config_or_null(document, stub):
    vectorizer.create(document, stub.url)
    config = document.value(f"SELECT ai.set_scheduling(1, {HOURLY}, ai.indexing_none())")
    assert config == document.value("SELECT config FROM ai.vectorizer")
    assert (config["scheduling"]["schedule_interval"], config["indexing"]["implementation"]) == ("01:00:00", "none")
    assert document.value("SELECT ai.set_scheduling(99)") is None
    assert document.value("SELECT ai.set_scheduling('nobody')") is None


def test_it_runs_when_it_is_told_to_and_rests_again(document, stub):
    begun = now(document)
    vectorizer.create(document, stub.url, scheduling=HOURLY)
    vectorizer.in_step(document, ["id"])
    for number, told in enumerate(
        [
            "SELECT ai.execute_vectorizer(1)",
            "SELECT ai.execute_vectorizer('public_document_embedding_store')",
            """CALL ai._vectorizer_job(config => '{"vectorizer_id": 1}')""",
        ],
        start=2,
    ):
        run_is_over(document, begun)
        document.sql("INSERT INTO document VALUES (%s, 'x')", [number])
        rests(document)
        begun = now(document)
        document.sql(told)
        vectorizer.in_step(document, ["id"])
    assert document.sql("SELECT FROM ai._vectorizer_run_request") == []


def test_it_can_be_told_to_run_before_its_first_time(document, stub):
    vectorizer.create(
        document, stub.url, scheduling="ai.scheduling_timescaledb('1 day', initial_start => now() + interval '1 year')"
    )
    begun = now(document)
    document.sql("SELECT ai.execute_vectorizer(1)")
    vectorizer.in_step(document, ["id"])
    run_is_over(document, begun)
    document.sql("INSERT INTO document VALUES (2, 'b')")
    rests(document)
    assert document.value("SELECT until > now() + interval '360 days' FROM ai.vectorizer_health")


@pytest.mark.parametrize(
    "call",
    [
        "SELECT ai.execute_vectorizer(99)",
        "SELECT ai.execute_vectorizer('nobody')",
        """CALL ai._vectorizer_job(config => '{"vectorizer_id": 99}')""",
    ],
)
def test_what_is_not_there_cannot_run(db, call):
    with pytest.raises(psycopg.errors.NoDataFound, match="query returned no rows"):
        db.sql(call)


def test_pgais_job_is_no_job_of_timescaledbs(db):
    with pytest.raises(psycopg.errors.RaiseException, match="config is null"):
        db.sql("CALL ai._vectorizer_job()")
    for scheduling in ("ai.scheduling_none()", "ai.scheduling_timescaledb()"):
        assert db.value(f"SELECT ai._vectorizer_schedule_job(1, {scheduling})") is None
    with pytest.raises(psycopg.errors.RaiseException, match="scheduling implementation not recognized"):
        db.sql("SELECT ai._vectorizer_schedule_job(1, ai.scheduling_default())")
