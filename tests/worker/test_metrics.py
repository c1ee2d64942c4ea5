"""ai.metrics says in the words of Prometheus what the other views say; exporters and a board for it are in docs/monitoring."""

import json
import re
from types import SimpleNamespace

import psycopg
import pytest
import yaml
from pgai_dev import places
from support import egress, s3_source, vectorizer
from support.wait import eventually, settles

MONITORING = places.ROOT / "docs" / "monitoring"
# A metric in an expression of Prometheus, or in a query.
NAME = re.compile(r"\bpgai_rs_\w+")


@pytest.fixture
def measured(cluster_factory, stub, bucket):
    """A database in which there is something of everything: rows that are embedded and some that fail, a question, a bucket."""
    conf = egress.settings(stub.url) | {"pgai_rs.heartbeat_interval": "1s"}
    db = cluster_factory(conf=conf).create_database("measured")
    db.sql("CREATE EXTENSION pgai_rs CASCADE; CREATE TABLE document (id int PRIMARY KEY, body text)")
    db.sql("INSERT INTO document SELECT n, 'row ' || n FROM generate_series(1, 20) n")
    server = stub.url.removesuffix("/v1")
    db.sql("INSERT INTO ai.model_override (model, server, usd_per_million_tokens, ends) VALUES ('openai/stub', %s, 1000, '2099-12-31')",
           [server])
    stub.fail(1e9, when=lambda request: any("poison" in text for text in request.inputs), status=400)
    vectorizer.create(db, stub.url, name="'rows'")
    db.sql("SELECT ai.set_budget(10000, 'tokens', vectorizer => 'rows')")
    db.sql("INSERT INTO document VALUES (100, 'poison')")
    bucket.put("a.txt", "text")
    s3_source.create(db, bucket.uri(""), "objects", name="'bucket'")
    vectorizer.idle(db)
    db.sql("SELECT ai.vectorizer_embed('rows', 'what is this?')")
    eventually(lambda: db.value("SELECT last_state FROM ai.s3_source_status") == "succeeded", what="a listing")
    eventually(lambda: db.sql("SELECT FROM ai.vectorizer_usage WHERE purpose = 'queries'"), what="the question to be counted")
    return SimpleNamespace(db=db, server=server)


def value(db, name: str, **how) -> float | None:
    rows = [found for [found] in db.sql("SELECT value FROM ai.metrics WHERE name = %s", [name], **how)]
    return rows[0] if rows else None


def test_it_says_what_the_other_views_say(measured):
    db = measured.db
    settles(lambda: value(db, "pgai_rs_vectorizer_rows_total"), 20)
    wanted = {
        "worker_running": 1, "vectorizer_pending_rows": 0, "vectorizer_oldest_pending_seconds": 0, "vectorizer_in_flight_rows": 0,
        "vectorizer_stuck_rows": 0, "vectorizer_set_aside_rows": 1, "s3_source_last_run_failed": 0, "s3_source_objects": 1,
        "s3_source_failed_objects": 0, "s3_source_events_total": 0}
    assert {name: value(db, f"pgai_rs_{name}") for name in wanted} == wanted
    assert value(db, "pgai_rs_vectorizer_errors_total") >= 1
    assert 0 <= value(db, "pgai_rs_worker_heartbeat_age_seconds") < 600
    size = db.value("SELECT pg_total_relation_size('document_embedding_store')")
    assert value(db, "pgai_rs_vectorizer_store_bytes") == size > 0
    assert value(db, "pgai_rs_vectorizer_model_end_timestamp_seconds") == 4102444800
    labels = {"datname": "measured", "vectorizer": "rows", "state": "idle"}
    assert db.sql("SELECT labels, value FROM ai.metrics WHERE name = 'pgai_rs_vectorizer_state_active'") == [(labels, 1)]

    used = "SELECT purpose, requests, inputs, bytes, documents, tokens, estimated_tokens, usd::float8 FROM ai.vectorizer_usage"
    for purpose, *amounts in db.sql(used):
        if purpose == "documents":
            # Nothing else was embedded.
            settles(lambda: value(db, "pgai_rs_budget_used"), amounts[4])
        names = ["requests_total", "inputs_total", "input_bytes_total", "documents_total", "tokens_total", "estimated_tokens_total",
                 "cost_month_usd"]
        told = dict(db.sql("SELECT name, value FROM ai.metrics WHERE labels ->> 'purpose' = %s AND labels ? 'model'", [purpose]))
        assert [told[f"pgai_rs_model_{name}"] for name in names] == amounts and amounts[-1] > 0
    [[labels]] = db.sql("SELECT DISTINCT labels - 'purpose' FROM ai.metrics WHERE name = 'pgai_rs_model_tokens_total'")
    assert value(db, "pgai_rs_budget_limit") == 10_000
    assert labels == {"datname": "measured", "vectorizer": "rows", "model": "openai/stub", "model_server": measured.server}


def test_names_types_and_helps_are_as_prometheus_wants_them(measured):
    rows = measured.db.sql("SELECT name, labels::text, value, type, help FROM ai.metrics")
    assert len({(name, labels) for name, labels, *_ in rows}) == len(rows), "a series is there twice"
    described = {(name, kind, text) for name, _, _, kind, text in rows}
    assert len(described) == len({name for name, *_ in described})
    for name, kind, text in described:
        assert re.fullmatch(r"pgai_rs_[a-z0-9_]+", name) and text.endswith(".")
        assert (kind == "counter") == name.endswith("_total") and kind in ("counter", "gauge")


def test_rows_that_wait_are_counted_for_who_watches_all(measured, stub):
    """Although they may not read the queue."""
    db = measured.db
    for role in ("watcher", "reader", "stranger"):
        db.sql(f"CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA ai TO {role}")
    db.sql("GRANT pg_monitor TO watcher; GRANT SELECT ON ai._vectorizer_q_1 TO reader")
    with stub.held():
        db.sql("INSERT INTO document SELECT n, 'row ' || n FROM generate_series(10001, 22000) n")
        pending = "pgai_rs_vectorizer_pending_rows"
        assert value(db, pending) == value(db, pending, user="watcher") >= 12_000
        assert value(db, pending, user="reader") == 10_000
    # To others' rows, nobody has come by that.
    for role in ("watcher", "reader"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            db.sql("SELECT ai._vectorizer_pending('document'::regclass, 'document'::regclass, 1)", user=role)
    names = lambda role: {name.split("_")[2] for [name] in db.sql("SELECT DISTINCT name FROM ai.metrics", user=role)}  # noqa: E731
    assert names("watcher") == {"worker", "vectorizer", "model", "budget"}
    assert names("reader") == {"worker", "vectorizer"}
    assert names("stranger") == {"worker"}


def test_who_locks_a_store_hides_what_is_behind_the_lock_alone(measured):
    db = measured.db
    look = "SELECT labels ->> 'state' FROM ai.metrics WHERE name = 'pgai_rs_vectorizer_state_active'"
    with db.connect(autocommit=False) as session:
        session.execute("LOCK TABLE document_embedding_store")
        assert value(db, "pgai_rs_vectorizer_store_bytes") is None
        assert (db.value(look), value(db, "pgai_rs_vectorizer_rows_total"), value(db, "pgai_rs_worker_running")) == ("locked", 20, 1)


def postgres_exporter() -> dict[str, dict]:
    """Its queries, each with its labels and its metrics."""
    told = {}
    for namespace, asked in yaml.safe_load((MONITORING / "postgres_exporter.yml").read_text()).items():
        columns = {name: column for entry in asked["metrics"] for name, column in entry.items()}
        labels = [name for name, column in columns.items() if column["usage"] == "LABEL"]
        metrics = {name: (f"{namespace}_{name}", column["usage"].lower(), column["description"])
                   for name, column in columns.items() if name not in labels}
        told[asked["query"]] = {"labels": labels, "metrics": metrics}
    return told


def sql_exporter() -> dict[str, dict]:
    """The same."""
    collector = yaml.safe_load((MONITORING / "sql_exporter.collector.yml").read_text())
    told = {}
    for query in collector["queries"]:
        mine = [metric for metric in collector["metrics"] if metric["query_ref"] == query["query_name"]]
        [labels] = {tuple(metric["key_labels"]) for metric in mine}
        metrics = {metric["values"][0]: (metric["metric_name"], metric["type"], metric["help"]) for metric in mine}
        told[query["query"]] = {"labels": list(labels), "metrics": metrics}
    return told


@pytest.mark.parametrize("exporter", [postgres_exporter, sql_exporter])
def test_an_exporter_exports_all_of_it(measured, exporter):
    db = measured.db
    db.sql("CREATE ROLE exporter LOGIN; GRANT pg_monitor TO exporter; GRANT USAGE ON SCHEMA ai TO exporter")
    # What moves by itself would differ between two looks.
    moving = ("pgai_rs_worker_heartbeat_age_seconds", "pgai_rs_vectorizer_rows_per_second")
    exported, described = {}, set()
    for query, told in exporter().items():
        described.update(told["metrics"].values())
        with db.connect(user="postgres") as session:
            cursor = session.execute(query)
            names = [column.name for column in cursor.description]
            assert set(names) == {*told["labels"], *told["metrics"]}
            for row in cursor:
                row = dict(zip(names, row, strict=True))
                labels = tuple(sorted((name, row[name]) for name in told["labels"]))
                for column, (name, *_) in told["metrics"].items():
                    if row[column] is not None and name not in moving:
                        exported[name, labels] = row[column]
        db.sql(query, user="exporter")

    metrics = db.sql("SELECT name, labels, value, type, help FROM ai.metrics")
    assert exported == {(name, tuple(sorted(labels.items()))): number for name, labels, number, *_ in metrics if name not in moving}
    assert described == {(name, kind, text) for name, _, _, kind, text in metrics}


def test_the_board_and_the_alerts_ask_for_metrics_that_there_are(measured):
    there = {name for [name] in measured.db.sql("SELECT DISTINCT name FROM ai.metrics")}
    board = json.loads((MONITORING / "grafana.json").read_text())
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    asked += [variable["query"]["query"] for variable in board["templating"]["list"] if variable["type"] == "query"]
    rules = [rule for group in yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"] for rule in group["rules"]]
    asked += [rule["expr"] for rule in rules]
    assert len(asked) > 20 and all(NAME.search(text) for text in asked)
    assert {name for text in asked for name in NAME.findall(text)} - there == set()
    # No two panels lie upon each other.
    cells = [(x, y) for panel in board["panels"] for place in [panel["gridPos"]]
             for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])]
    assert len(set(cells)) == len(cells) and max(x for x, _ in cells) < 24


def test_the_reference_lists_all_of_it(measured):
    text = (places.ROOT / "docs" / "reference.md").read_text()
    listed = set(re.findall(r"^\| `(pgai_rs_\w+)` \| (gauge|counter) \|", text, re.MULTILINE))
    assert listed == set(measured.db.sql("SELECT DISTINCT name, type FROM ai.metrics"))


def test_a_vectorizer_with_rows_says_where_to_look(db, stub):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    said = []
    with db.connect() as session:
        session.add_notice_handler(lambda notice: said.append((notice.severity, notice.message_primary, notice.message_hint)))

        def declare(name: str, more: str = "") -> list:
            said.clear()
            session.execute(
                f"SELECT ai.create_vectorizer('document', '{name}', loading => ai.loading_column('body'),"
                f" embedding => ai.embedding_openai('stub', 8, base_url => '{stub.url}'),"
                f" destination => ai.destination_table('{name}') {more})")
            return said[:]

        hint = "The view ai.vectorizer_progress shows how far it is."
        assert declare("none") == []
        session.execute("INSERT INTO document VALUES (1, 'a')")
        assert declare("one") == [("NOTICE", 'vectorizer "one" has 1 row to embed', hint)]
        session.execute("INSERT INTO document VALUES (2, 'b'), (3, NULL)")
        assert declare("some") == [("NOTICE", 'vectorizer "some" has 3 rows to embed', hint)]
        assert declare("later", ", enqueue_existing => false") == []
