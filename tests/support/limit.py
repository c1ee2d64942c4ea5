"""A limit of requests as providers have it, and what they say about it."""

import math
import threading
import time
from dataclasses import dataclass, field


@dataclass
class Limit:
    """So many requests at once, and so many more in a second: a bucket that fills up steadily."""

    burst: int
    per_second: float
    # Whether answers say what is left, as OpenAI's do.
    headers: bool = True
    # What a refusal asks for, in seconds; without it, until the next request is taken.
    retry_after: float | None = None
    refused: int = 0
    _left: float = field(init=False)
    _since: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self):
        self._left = self.burst

    def take(self) -> tuple[bool, dict[str, str]]:
        """Tells whether a request is taken, and returns the headers of its answer."""
        with self._lock:
            now = time.monotonic()
            self._left = min(self.burst, self._left + (now - self._since) * self.per_second)
            self._since = now
            taken = self._left >= 1
            self._left -= taken
            self.refused += not taken
            return taken, self._told(taken)

    def _told(self, taken: bool) -> dict[str, str]:
        told = {}
        if not taken:
            needed = (1 - self._left) / self.per_second
            told["Retry-After"] = str(math.ceil(needed) if self.retry_after is None else self.retry_after)
        if self.headers:
            reset = (self.burst - self._left) / self.per_second
            told["x-ratelimit-limit-requests"] = str(self.burst)
            told["x-ratelimit-remaining-requests"] = str(math.floor(self._left))
            told["x-ratelimit-reset-requests"] = f"{math.ceil(reset * 1000)}ms"
        return told

    def dictates(self, requests: int) -> float:
        """The least number of seconds that so many requests take."""
        return max(0, requests - self.burst) / self.per_second
