"""Sessions that change the tables at random, one transaction after the other."""

import threading
from collections import Counter
from random import Random

import psycopg
from psycopg import errors

from support.torture.changes import Changes
from support.torture.objects import Objects
from support.wait import INTERVAL, eventually

LEVELS = ("READ COMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")
# How many transactions of others a long one outlasts.
LONG = 20
# What may befall a transaction beside others: it is given up, and the next one begins.
CONTENTION = (errors.SerializationFailure, errors.DeadlockDetected, errors.LockNotAvailable, errors.UniqueViolation)
# The server was killed, or is coming up.
GONE = (psycopg.OperationalError, psycopg.InterfaceError)


class Progress:
    """The writers' deeds, and the word to stop."""

    def __init__(self):
        self.counts: Counter = Counter()
        self.unexpected: list[str] = []
        self.stopping = threading.Event()
        # Held by the one transaction that outlasts others: two would wait for each other.
        self.outlasting = threading.Lock()
        self._lock = threading.Lock()

    def count(self, what: str) -> None:
        with self._lock:
            self.counts[what] += 1

    @property
    def transactions(self) -> int:
        """Returns the number of transactions that have ended, in whatever way."""
        with self._lock:
            return sum(self.counts.values())


class Writer(threading.Thread):
    """One session after the other, until it is told to stop."""

    def __init__(self, name: str, seed: int, db, objects: Objects, progress: Progress):
        super().__init__(name=name, daemon=True)
        self.random = Random(f"{seed}/{name}")
        self.changes = Changes(self.random, int(name), objects)
        self.db = db
        self.progress = progress

    def run(self) -> None:
        while not self.progress.stopping.is_set():
            try:
                with self.db.connect(autocommit=False) as connection:
                    self._session(connection)
            except GONE:
                self.progress.count("lost sessions")
                self.progress.stopping.wait(INTERVAL)
            except Exception as error:
                self.progress.unexpected.append(f"{self.name}: {type(error).__name__}: {error}")
                return

    def _session(self, connection) -> None:
        while not self.progress.stopping.is_set():
            try:
                connection.execute(f"SET TRANSACTION ISOLATION LEVEL {self.random.choice(LEVELS)}")
                self._transaction(connection)
                self.progress.count("commits" if self._end(connection) else "rollbacks")
            except CONTENTION as error:
                connection.rollback()
                self.progress.count(type(error).__name__)

    def _end(self, connection) -> bool:
        if self.random.random() < 0.9:
            connection.commit()
            return True
        connection.rollback()
        return False

    def _transaction(self, connection) -> None:
        connection.execute("SET LOCAL lock_timeout = '500ms'")
        for _ in range(self.random.choice((1, 1, 1, 2, 5))):
            if self.random.random() < 0.2:
                self._savepoint(connection)
            else:
                self.changes.one(connection)
        if self.random.random() < 0.03:
            self._outlast()

    def _outlast(self) -> None:
        """Leaves the transaction open while others go on."""
        if self.progress.outlasting.acquire(blocking=False):
            try:
                until = self.progress.transactions + LONG
                over = self.progress.stopping.is_set
                eventually(lambda: over() or self.progress.transactions >= until, timeout=60, what="others")
            finally:
                self.progress.outlasting.release()

    def _savepoint(self, connection) -> None:
        connection.execute("SAVEPOINT s")
        for _ in range(self.random.randint(1, 2)):
            self.changes.one(connection)
        undone = self.random.random() < 0.5
        connection.execute("ROLLBACK TO SAVEPOINT s" if undone else "RELEASE SAVEPOINT s")
