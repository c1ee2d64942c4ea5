"""Hostile documents of every type that the parser knows, made from a seed.

* `case`: a document with what may come of it
* `words`: the text that documents have before they are harmed
* `plain`, `packages`, `compound`, `pdf`: whole documents, one of each type
* `damage`: the same harm, done to documents of every type
* `traps`: documents that were made to be a trap
"""

from .case import Case, Expected
from .damage import damaged
from .traps import traps
from .whole import WHOLE

__all__ = ["WHOLE", "Case", "Expected", "cases"]


def cases(seed: int) -> list[Case]:
    """Returns all documents. Their content is made when it is asked for, and the same for the same seed."""
    return [case for whole in WHOLE for case in damaged(whole, seed)] + traps(seed)
