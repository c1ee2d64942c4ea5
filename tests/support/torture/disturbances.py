"""The things that go wrong meanwhile: processes die, servers fail, vectorizers come and go."""

import math
from collections import Counter
from random import Random

from support.stub import Stub
from support.torture.objects import Objects
from support.torture.sources import SOURCES, is_poisoned
from support.torture.writers import CONTENTION, GONE
from support.wait import eventually

# The numbers of dimensions of the models that vectorizers change between.
DIMENSIONS = (8, 12)

# Each time it is told to end, a worker stays away for longer, up to a minute.
MOST_TERMINATIONS = 3
MODEL_FAULTS = (
    {"status": 429},
    {"status": 429, "headers": {"Retry-After": "1"}},
    {"status": 500},
    {"status": 503, "headers": {"Retry-After": "0"}},
    {"spoil": "hang"},
    {"spoil": "reset"},
    {"spoil": "truncate"},
    {"spoil": "garbage"},
    {"spoil": "count"},
    {"spoil": "nan"},
    {"spoil": "duplicate_index"},
)
S3_FAULTS = ("slow_down", "reset", "truncate", "hang")


class Disturbances:
    """Picks one at random at a time; `counts` says how often which."""

    def __init__(self, random: Random, cluster, db, stub: Stub, objects: Objects):
        self.random = random
        self.refusal = stub.fail(math.inf, when=is_poisoned, status=400)
        self.cluster = cluster
        self.db = db
        self.stub = stub
        self.objects = objects
        self.counts: Counter = Counter()
        self._kinds = {
            self._model_fault: 30,
            self._s3_fault: 20,
            self._kill_s3: 2,
            self._kill_worker: 5,
            self._kill_launcher: 2,
            self._kill_session: 4,
            self._terminate_worker: 3,
            self._kill_postmaster: 3,
            self._immediate_stop: 3,
            self._fast_restart: 3,
            self._switch_off_and_on: 8,
            self._make_anew: 5,
            self._alter: 20,
        }

    def next(self) -> None:
        """One disturbance, from beginning to end: the server is up when it is over."""
        [kind] = self.random.choices(list(self._kinds), weights=self._kinds.values())
        kind()

    def end(self) -> None:
        """All is well again, but for what the model refuses for good. What is being altered is given up."""
        self.stub.heal(but=self.refusal)
        self.objects.proxy.heal()
        eventually(self._alter_no_more, timeout=60, what="alterations to be given up")

    def _count(self, what: str) -> None:
        self.counts[what] += 1

    # Servers outside

    def _model_fault(self) -> None:
        fault = self.random.choice(MODEL_FAULTS)
        self.stub.fail(self.random.randint(1, 4), **fault)
        self._count(f"model: {fault.get('status') or fault['spoil']}")

    def _s3_fault(self) -> None:
        kind = self.random.choice(S3_FAULTS)
        self.objects.proxy.fail(kind, self.random.randint(1, 6))
        self._count(f"S3: {kind}")

    def _kill_s3(self) -> None:
        self.objects.restart()
        self._count("S3: killed")

    # Processes of the cluster

    def _kill_worker(self) -> None:
        self._kill("worker", "backend_type = 'pgai_rs worker'")

    def _kill_launcher(self) -> None:
        self._kill("launcher", "backend_type = 'pgai_rs launcher'")

    def _kill_session(self) -> None:
        self._kill("session", "backend_type = 'client backend' AND pid <> pg_backend_pid()")

    def _kill(self, what: str, which: str) -> None:
        """A process that is killed takes all others along: the cluster recovers from its log."""
        found = self.cluster.sql(f"SELECT pid FROM pg_stat_activity WHERE {which} ORDER BY pid LIMIT 1")
        if found:
            try:
                self.cluster.kill_child(found[0][0])
                self._count(f"killed: {what}")
            except ProcessLookupError:
                # It has ended by itself.
                return

    def _terminate_worker(self) -> None:
        if self.counts["terminated: worker"] < MOST_TERMINATIONS:
            for [pid] in worker(self.cluster):
                self.cluster.sql("SELECT pg_terminate_backend(%s)", [pid])
            self._count("terminated: worker")

    def _kill_postmaster(self) -> None:
        self.cluster.kill()
        self.cluster.start()
        self._count("killed: postmaster")

    def _immediate_stop(self) -> None:
        self.cluster.restart("immediate")
        self._count("stopped: immediate")

    def _fast_restart(self) -> None:
        self.cluster.restart("fast")
        self._count("stopped: fast")

    # Vectorizers

    def _switch_off_and_on(self) -> None:
        name = self._any_vectorizer()
        if self._statement("SELECT ai.disable_vectorizer_schedule(%s)", name):
            self._count("disabled")
        self._until_enabled()

    def _until_enabled(self) -> None:
        enable = "SELECT ai.enable_vectorizer_schedule(id) FROM ai.vectorizer WHERE disabled"
        eventually(lambda: self._statement(enable), timeout=60, what="vectorizers to be enabled")

    def _make_anew(self) -> None:
        """Drops a vectorizer with its store and declares it again, in one transaction."""
        source = self.random.choice(SOURCES)
        drop = (
            "SELECT ai.drop_vectorizer(id, drop_all => true) FROM ai.vectorizer v WHERE source_table = %s"
            " AND NOT EXISTS (SELECT FROM ai._vectorizer_alteration WHERE other_id = v.id)"
        )
        if self._statement(drop, source.table, source.declare(self.stub.url)):
            self._count("dropped and declared anew")

    def _alter(self) -> None:
        """Another model for a vectorizer; or, if one is on its way, the next step of it or the way back."""
        source = self.random.choice(SOURCES)
        look = "SELECT a.id, a.state FROM ai.vectorizer_alterations a JOIN ai.vectorizer v USING (id) WHERE v.source_table = %s"
        try:
            found = self.db.sql(look, [source.table])
        except GONE:
            return
        if found:
            [(vectorizer, state)] = found
            steps = {"building": ("switch_vectorizer", "cancel_alteration"), "switched": ("revert_vectorizer",)}
            step = self.random.choice(steps[state])
            if self._statement(f"SELECT ai.{step}(%s)", vectorizer):
                self._count(step)
            return

        model = f"ai.embedding_openai('stub', {self.random.choice(DIMENSIONS)}, base_url => '{self.stub.url}/{self.random.random()}')"
        keep_old = self.random.choice(("0", "3 seconds", "1 day"))
        alter = f"SELECT ai.alter_vectorizer(id, embedding => {model}, keep_old => '{keep_old}') FROM ai.vectorizer WHERE source_table = %s"
        if self._statement(alter, source.table):
            self._count("altered")

    def _alter_no_more(self) -> bool:
        others = "SELECT ai.drop_vectorizer(other_id, drop_all => true) FROM ai._vectorizer_alteration"
        return self._statement(others) and self.db.sql("SELECT FROM ai._vectorizer_alteration") == []

    def _any_vectorizer(self) -> int:
        return self.random.choice(self.db.sql("SELECT id FROM ai.vectorizer ORDER BY id"))[0]

    def _statement(self, statement: str, parameter=None, then: str | None = None) -> bool:
        """Runs it in one transaction, unless a writer is in the way. Answers whether it is done."""
        try:
            with self.db.connect(autocommit=False) as connection:
                connection.execute("SET LOCAL lock_timeout = '500ms'")
                connection.execute(statement, None if parameter is None else [parameter])
                if then:
                    connection.execute(then)
        except (*CONTENTION, *GONE):
            return False
        return True


def worker(cluster) -> list[tuple]:
    """The worker's process, if it is there."""
    return cluster.sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'pgai_rs worker'")
