"""The words for other programs in a user's environment do not reach ours."""

import pytest
from pgai_dev import surroundings


@pytest.mark.parametrize(
    "name",
    [
        *("PGHOST", "PGDATA", "PGOPTIONS", "PGPASSFILE", "PGSERVICE", "PGRX_HOME"),
        *("PYTHONPATH", "PYTHONHOME", "PYTHONOPTIMIZE", "PYTEST_ADDOPTS", "PIP_TARGET"),
        *("AWS_PROFILE", "AWS_ENDPOINT_URL", "MAKEFLAGS"),
    ],
)
def test_what_misleads_is_left_out(name):
    assert name not in surroundings.cleaned({name: "something"})


@pytest.mark.parametrize("name", ["PG", "PG_CONFIG", "PGAI_RS_CACHE", "PATH", "HOME", "HTTPS_PROXY", "PIP_INDEX_URL", "CC"])
def test_what_is_meant_for_us_stays(name):
    assert surroundings.cleaned({name: "something"})[name] == "something"


def test_this_machine_is_asked_without_a_proxy():
    cleaned = surroundings.cleaned({"NO_PROXY": "example.com"})
    assert cleaned["NO_PROXY"] == "example.com,127.0.0.1,localhost,::1"
    assert cleaned["no_proxy"] == "127.0.0.1,localhost,::1"


def test_texts_are_in_utf_8_whatever_the_locale():
    assert surroundings.cleaned({"LC_ALL": "de_DE.ISO-8859-1"})["LC_ALL"] == "C.UTF-8"


@pytest.mark.parametrize("name", surroundings.SERVERS)
def test_where_servers_are_stays_where_they_are_meant(name):
    assert surroundings.cleaned({name: "something"}, surroundings.SERVERS)[name] == "something"
    assert name not in surroundings.cleaned({name: "something"})
