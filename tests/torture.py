#!/usr/bin/env python3
"""`make torture`: long runs that try to break the promise. See support/torture."""

import argparse
import secrets
import shutil
import signal
import sys

from pgai_dev import postgres
from support import workdir
from support.cluster import Cluster
from support.torture.run import torture


def main() -> None:
    parser = argparse.ArgumentParser(prog="make torture", description="ARGS='--seconds 600 --seed 1'")
    parser.add_argument("--seconds", type=float, default=300, help="for how long users write and things go wrong")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 32), help="a run's decisions")
    parser.add_argument("--runs", type=int, default=1, help="how many runs, with seeds that follow")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    for seed in range(given.seed, given.seed + given.runs):
        run(seed, given.seconds)


def run(seed: int, seconds: float) -> None:
    """One run in a directory of its own, which stays, with the server's log, if it fails."""
    directory = workdir.make("torture")
    clusters: list[Cluster] = []

    def make_cluster(conf: dict, env: dict) -> Cluster:
        bindir, env = postgres.wanted().ask("bindir"), env | {"OPENAI_API_KEY": "sk-test"}
        clusters.append(Cluster(bindir, directory / "cluster", conf=conf, env=env))
        return clusters[0].create().start()

    try:
        torture(make_cluster, directory, seed=seed, seconds=seconds, say=lambda line: print(line, flush=True))
    except BaseException:
        for cluster in clusters:
            cluster.stop("fast")
        print(f"torture: failed with seed {seed}; the cluster is left in {directory}", file=sys.stderr)
        raise
    for cluster in clusters:
        cluster.remove()
    shutil.rmtree(directory)


if __name__ == "__main__":
    main()
