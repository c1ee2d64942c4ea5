"""Settings that a database or a role can change, and values that nobody would think of."""

from support.cluster import Database

# Of the settings whose values are texts. What a value names is made by `prepare`, or is not there at all.
TEXTS = {
    "DateStyle": ["SQL, DMY", "German", "Postgres, MDY"],
    "TimeZone": ["Asia/Kathmandu", "-3:30"],
    "application_name": ["odd"],
    "backtrace_functions": ["errstart"],
    "client_encoding": ["LATIN1"],
    "createrole_self_grant": ["set, inherit"],
    "default_table_access_method": ["another_heap"],
    "default_tablespace": ["not_the_owners"],
    "default_text_search_config": ["pg_catalog.german"],
    "lc_messages": ["POSIX"],
    "lc_monetary": ["POSIX"],
    "lc_numeric": ["POSIX"],
    "lc_time": ["POSIX"],
    "plpgsql.extra_errors": ["all"],
    "plpgsql.extra_warnings": ["all"],
    "restrict_nonsystem_relation_kind": ["view, foreign-table"],
    "role": ["somebody_else"],
    "search_path": ["nowhere", ""],
    "session_authorization": ["somebody_else"],
    "session_preload_libraries": ["vector"],
    "temp_tablespaces": ["not_the_owners"],
    "timezone_abbreviations": ["India"],
    "wal_consistency_checking": ["heap"],
}

# Why a setting is not tried.
LEFT_OUT = {
    "dynamic_library_path": "where CREATE EXTENSION looks for libraries, ours as any other",
    "extension_control_path": "where CREATE EXTENSION looks for extensions, ours as any other",
    "local_preload_libraries": "the directory of such libraries is empty",
    "temp_file_limit": "a limit that counts: with little memory, Postgres sorts in files",
    "seed": "of the function random(), which nothing here calls",
    "transaction_timeout": "ends the sessions of the test; the worker is tried with it alone",
    "transaction_deferrable": "of a single transaction",
    "transaction_isolation": "of a single transaction",
    "transaction_read_only": "of a single transaction",
}

# What a session sets for itself to be stopped, refused or somebody else, and is. Only the worker is tried with it.
OF_THE_WORKER_ALONE = {
    "client_encoding": None,  # decides what psycopg hands to the test
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "lock_timeout": "0",
    "max_stack_depth": "2MB",
    "restrict_nonsystem_relation_kind": "",
    "role": "none",
    "session_replication_role": "origin",
    "statement_timeout": "0",
}

# Of the numbers whose range is not all that Postgres takes.
NUMBERS = {"max_stack_depth": ["100kB", "1MB"], "vacuum_buffer_usage_limit": ["0", "128kB"]}

# Memory is really taken.
MOST_MEMORY = 65536

LISTED = """
    SELECT name, vartype, unit, min_val, max_val, enumvals, boot_val FROM pg_settings
    WHERE context IN ('user', 'superuser') AND name NOT LIKE 'pgai\\_rs.%' ORDER BY name
"""


def values(db: Database) -> dict[str, list[str]]:
    """The odd values of every setting that a database can change."""
    with db.connect() as connection:
        # So that their settings are known.
        connection.execute("DO $$ BEGIN END $$")
        connection.execute("SELECT '[1]'::vector <-> '[2]'")
        listed = connection.execute(LISTED).fetchall()
    odd = {name: _of(name, *row) for name, *row in listed}
    # The list shows neither.
    odd |= {name: TEXTS[name] for name in ("role", "session_authorization")}
    return {name: tried for name, tried in odd.items() if tried and name not in LEFT_OUT}


def _of(name, kind, unit, least, most, words, usual) -> list[str]:
    match kind:
        case "bool":
            return ["off" if usual == "on" else "on"]
        case "enum":
            others = [word for word in words if word != usual]
            # The first and the last of the levels of a log, not all of them.
            return others if len(others) < 5 else [others[0], others[-1]]
        case "integer" | "real":
            return NUMBERS.get(name) or _numbers(float(least), float(most), unit)
        case "string" if name in LEFT_OUT:
            return []
    assert name in TEXTS, f"no odd value is known of the setting {name}, a {kind}"
    return TEXTS[name]


def _numbers(least: float, most: float, unit: str | None) -> list[str]:
    if unit in ("kB", "8kB"):
        most = min(most, MOST_MEMORY)
    smallest = [1.0] if least < 1 <= most else []
    return [f"{number:.10g}" for number in dict.fromkeys([least, *smallest, min(most, 1e9)])]


def prepare(db: Database) -> None:
    """Makes what the values name."""
    with db.connect() as connection:
        connection.execute("SET allow_in_place_tablespaces = on")
        connection.execute("CREATE TABLESPACE not_the_owners LOCATION ''")
        connection.execute("CREATE ROLE somebody_else")


def prepare_database(db: Database) -> None:
    """Makes what the values name, in a database of its own."""
    db.sql("CREATE ACCESS METHOD another_heap TYPE TABLE HANDLER heap_tableam_handler")
