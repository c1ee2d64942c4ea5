"""Waiting for a state, never for a time."""

import time

# How often a state is looked at. Nothing depends on it.
INTERVAL = 0.02

# The seconds that a state may take. The product rests and backs off for up to a minute, and it costs time only where
# a test fails.
PATIENCE = 120


def eventually(look, *, timeout: float = PATIENCE, what: str = "", ignoring: tuple = (), interval: float = INTERVAL):
    """Returns the first true value of `look()`; shows the last one if none comes.

    Exceptions of the types in `ignoring` count as "not yet".
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            last = look()
            if last:
                return last
        except ignoring as error:
            last = error
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:g} s for {what or 'a state'}; last seen: {last!r}")
        time.sleep(interval)


def settles(look, wanted, *, timeout: float = PATIENCE, what: str = ""):
    """Waits until `look()` equals `wanted`, and shows both if it does not."""
    last = []

    def equal():
        last[:] = [look()]
        return last[0] == wanted

    try:
        eventually(equal, timeout=timeout, what=what)
    except AssertionError:
        assert last[0] == wanted, f"{what or 'the state'} did not settle within {timeout:g} s"
        raise
