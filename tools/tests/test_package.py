"""The install script is all of sql/, in its order."""

import pytest
from pgai_dev import package
from pgai_dev.console import Failure


@pytest.fixture
def sql(tmp_path, monkeypatch):
    monkeypatch.setattr(package, "SQL", tmp_path)
    monkeypatch.setattr(package, "ORDER", tmp_path / "order.txt")
    for name in ("one", "two"):
        (tmp_path / f"{name}.sql").write_text(f"SELECT '{name}';\n")
    return tmp_path


def test_the_files_come_in_their_order(sql):
    (sql / "order.txt").write_text("# the order\ntwo\none\n")
    assert package.install_script() == "-- sql/two.sql\nSELECT 'two';\n\n-- sql/one.sql\nSELECT 'one';\n"


@pytest.mark.parametrize("order", ["one\n", "one\ntwo\nthree\n"])
def test_a_file_that_is_forgotten_or_not_there_is_an_error(sql, order):
    (sql / "order.txt").write_text(order)
    with pytest.raises(Failure, match="don't agree on: t"):
        package.install_script()


def test_ours_are_in_order():
    assert package.install_script().startswith("-- sql/prelude.sql\n")
    assert package.version()
