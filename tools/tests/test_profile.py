"""Our own crates are optimised; the profile's own level is that of their dependencies."""

import re

from pgai_dev import package, places


def test_every_crate_of_ours_is_optimised():
    text = (places.ROOT / "Cargo.toml").read_text()
    optimised = set(re.findall(r"^(\S+) = \{ opt-level = [23] \}$", text, re.MULTILINE))
    assert {crate["name"] for crate in package.crates()} <= optimised
