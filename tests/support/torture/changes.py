"""The changes of a table that a writer picks from, each one statement."""

from random import Random

from support.torture.objects import Objects
from support.torture.sources import POISON, SOURCES, Source, missing

# Few enough keys that writers and worker meet all the time.
KEYS = 40
# From here on lie the keys of rows that were copied in.
COPIED = 1000
MOST_WRITERS = 100
TENANTS = ("a", "b", "it's", "{x,y}")
WORDS = ("ash", "birch", "cedar", "elm", "fir", "oak", "pine", "yew")


class Changes:
    """The changes that the writer with a number makes, by its chance."""

    def __init__(self, random: Random, writer: int, objects: Objects):
        self.random = random
        self.writer = writer
        self.objects = objects
        self.made = 0

    def one(self, connection) -> None:
        source = self.random.choice(SOURCES)
        changes = {
            self._upsert: 30,
            self._update: 30,
            self._delete: 12,
            self._touch: 10,
            self._rekey: 10,
            self._bulk: 6,
            self._copy: 4,
            self._truncate: 1,
        }
        [change] = self.random.choices(list(changes), weights=changes.values())
        change(connection, source)

    def _key(self) -> int:
        return self.random.randrange(KEYS)

    def _text(self) -> str | None:
        """Returns the text of a document: no chunk, one or more, some of which others have too."""
        self.made += 1
        own = f"{self.writer} {self.made}"
        pieces = [self.random.choice((own, *WORDS)) for _ in range(self.random.choice((0, 1, 1, 2, 3, 6)))]
        text = "|".join([self.random.choice(WORDS), *pieces])
        return self.random.choices((text, None, "", f"{text} {POISON}"), weights=(92, 2, 2, 4))[0]

    def _uri(self) -> str:
        """An address: of an object that stays as it is, of one that is changed now, of none."""
        kind = self.random.random()
        if kind < 0.03:
            return missing(self.random.randrange(KEYS))
        if kind < 0.1:
            self.made += 1
            return self.objects.rewrite(self.random, f"rewritten {self.writer} {self.made}")
        return self.objects.any(self.random)

    def _payload(self, source: Source) -> tuple[str, str | None]:
        return ("uri", self._uri()) if source.from_s3 else ("body", self._text())

    def _named(self, source: Source, number: int) -> dict:
        """A row's key."""
        return {"number": number, "tenant": self.random.choice(TENANTS)} if len(source.key) > 1 else {"id": number}

    def _row(self, source: Source, number: int) -> dict:
        column, value = self._payload(source)
        return self._named(source, number) | {column: value}

    def _upsert(self, connection, source: Source) -> None:
        row = self._row(source, self._key())
        column = "uri" if source.from_s3 else "body"
        # Always counts, so that an object that has just been changed is read again.
        connection.execute(
            f"INSERT INTO {source.table} ({', '.join(row)}) VALUES ({', '.join(['%s'] * len(row))})"
            f" ON CONFLICT ({', '.join(source.key)}) DO UPDATE SET {column} = excluded.{column},"
            f" views = {source.table}.views + 1",
            list(row.values()),
        )

    def _bulk(self, connection, source: Source) -> None:
        column, value = self._payload(source)
        first = self._key()
        keys = "i, %(tenant)s" if len(source.key) > 1 else "i"
        connection.execute(
            f"INSERT INTO {source.table} ({', '.join(source.key)}, {column})"
            f" SELECT {keys}, %(value)s FROM generate_series(%(first)s, %(first)s + 15) i ON CONFLICT DO NOTHING",
            {"value": value, "first": first, "tenant": self.random.choice(TENANTS)},
        )

    def _copy(self, connection, source: Source) -> None:
        """Under a key that nobody else makes."""
        self.made += 1
        row = self._row(source, COPIED + self.made * MOST_WRITERS + self.writer)
        with connection.cursor().copy(f"COPY {source.table} ({', '.join(row)}) FROM STDIN") as copy:
            copy.write_row(list(row.values()))

    def _update(self, connection, source: Source) -> None:
        column, value = self._payload(source)
        where, values = self._where(source)
        connection.execute(
            f"UPDATE {source.table} SET {column} = %s, views = views + 1 WHERE {where}", [value, *values]
        )

    def _touch(self, connection, source: Source) -> None:
        where, values = self._where(source)
        connection.execute(f"UPDATE {source.table} SET views = views + 1 WHERE {where}", values)

    def _rekey(self, connection, source: Source) -> None:
        where, values = self._where(source)
        name = source.key[0]
        connection.execute(f"UPDATE {source.table} SET {name} = {name} + %s WHERE {where}", [self._key(), *values])

    def _delete(self, connection, source: Source) -> None:
        where, values = self._where(source)
        if self.random.random() < 0.1:
            where, values = f"{source.key[0]} >= %s", [COPIED]
        connection.execute(f"DELETE FROM {source.table} WHERE {where}", values)

    def _truncate(self, connection, source: Source) -> None:
        connection.execute(f"TRUNCATE {source.table}")

    def _where(self, source: Source) -> tuple[str, list]:
        """Picks rows: a single one, or a few."""
        first = self._key()
        last = first + self.random.choice((0, 0, 0, 3, 10))
        return f"{source.key[0]} BETWEEN %s AND %s", [first, last]
