"""The time that a run of the parser takes beside the document: from its start to the answer to a document that it refuses.

    python3 benches/parser_start.py PROGRAM [RUNS]
"""

import statistics
import subprocess
import sys
import time

MESSAGE = b'{"version":1,"name":"a.bin"}\n\0'


def main() -> None:
    program, runs = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 300
    # What it takes to start any process is what is compared with.
    for name, command in [("a program that does nothing", ["/bin/true"]), ("the parser", [program])]:
        times = sorted(once(command) for _ in range(runs))
        median, slowest = statistics.median(times) * 1000, times[len(times) * 95 // 100] * 1000
        print(f"{name}: median {median:.1f} ms, 95th percentile {slowest:.1f} ms, of {runs} runs")


def once(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, input=MESSAGE, stdout=subprocess.DEVNULL, env={}, check=True)
    return time.perf_counter() - began


main()
