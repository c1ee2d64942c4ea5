"""Runs a program within limits, and writes to a file how it ended: RESULT MEMORY CPU_SECONDS SECONDS PROGRAM.

It is a process of its own, and a small one: the memory that a process has before it becomes the program counts as the
program's.
"""

import json
import os
import resource
import signal
import sys


def main() -> None:
    result, memory, cpu_seconds, seconds, program = sys.argv[1], *map(int, sys.argv[2:5]), sys.argv[5]
    process = os.fork()
    if process == 0:
        become(program, memory, cpu_seconds)

    late = False

    def kill(*_) -> None:
        nonlocal late
        late = True
        os.kill(process, signal.SIGKILL)

    signal.signal(signal.SIGALRM, kill)
    signal.alarm(seconds)
    _, status, used = os.wait4(process, 0)
    ended = {
        "status": os.waitstatus_to_exitcode(status),
        "late": late,
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 3),
        "megabytes": used.ru_maxrss >> 10,
    }
    with open(result, "w") as file:
        json.dump(ended, file)


def become(program: str, memory: int, cpu_seconds: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        os.execve(program, [program], {})
    finally:
        os._exit(127)


main()
