"""The CPU that a process takes."""

import os
from pathlib import Path


def cpu_of(pid: int) -> float:
    """Milliseconds that a process has been on a CPU so far."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e6


def cpu_seconds(pid: int) -> tuple[float, float]:
    """User and system time of a process, and of the children that it has waited for."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0, 0
    user, system, childrens_user, childrens_system = (int(ticks) / os.sysconf("SC_CLK_TCK") for ticks in fields[11:15])
    return user + system, childrens_user + childrens_system
