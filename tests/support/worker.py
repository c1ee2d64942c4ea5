"""The workers of a cluster, as pg_stat_activity shows them."""

from support.wait import eventually


def workers(cluster, database: str) -> list[int]:
    return [
        pid
        for [pid] in cluster.sql(
            "SELECT pid FROM pg_stat_activity WHERE backend_type = 'pgai_rs worker' AND datname = %s", [database]
        )
    ]


def the_worker(db) -> int:
    return eventually(lambda: workers(db.cluster, db.name), what="a worker")[0]
