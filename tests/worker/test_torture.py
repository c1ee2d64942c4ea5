"""A short run of `make torture`: whatever is killed, cut, throttled or fed garbage, all comes in step."""

import pytest
from support.torture.run import torture

# Seeds of runs that once failed belong here.
SEEDS = [1]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_store_equals_f_of_the_source_whatever_happens(cluster_factory, workdir, seed):
    torture(cluster_factory, workdir / f"torture-{seed}", seed=seed, seconds=12)
