"""The things that somebody plants for our statements to take: they count in sequences of the schema evil, which no rollback undoes."""

FIRED = "SELECT sequencename FROM pg_sequences WHERE schemaname = 'evil' AND last_value IS NOT NULL"


def fired(db) -> list[str]:
    return sorted(name for [name] in db.sql(FIRED))


def warnings_of(db, statement: str) -> list[str]:
    """Runs a statement, and returns what it warns of."""
    warned = []
    with db.connect() as session:
        session.add_notice_handler(lambda notice: warned.append(notice.message_primary))
        session.execute(statement)
    return warned
