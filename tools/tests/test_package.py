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


SCRIPT = """-- About the function.
SET LOCAL search_path = pg_catalog, pg_temp;
CREATE TABLE t (a int);
CREATE FUNCTION f() RETURNS int
LANGUAGE sql
BEGIN ATOMIC
    SELECT 1;
END;
CREATE FUNCTION once() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    NULL;

END
$$;
SELECT once();
DROP FUNCTION once();
CREATE VIEW v AS
SELECT f();
GRANT SELECT ON v TO PUBLIC;
"""

ANEW = """SET LOCAL search_path = pg_catalog, pg_temp;

CREATE OR REPLACE FUNCTION f() RETURNS int
LANGUAGE sql
BEGIN ATOMIC
    SELECT 1;
END;

CREATE OR REPLACE VIEW v AS
SELECT f();
"""


def test_functions_and_views_are_made_anew_and_nothing_else():
    assert package.everything_anew(SCRIPT) == ANEW


def test_only_the_upgrade_that_asks_for_it_makes_them_anew(sql):
    (sql / "order.txt").write_text("one\ntwo\n")
    (sql / "two.sql").write_text("CREATE VIEW v AS SELECT 2;\n")
    asking, other = sql / "asking", sql / "other"
    asking.write_text("DROP VIEW v;\n-- all functions and views of sql/\nGRANT SELECT ON v TO PUBLIC;\n")
    other.write_text("SELECT 1;\n")
    anew = "CREATE OR REPLACE VIEW v AS SELECT 2;"
    assert package.upgrade_script(asking) == f"DROP VIEW v;\n{anew}\nGRANT SELECT ON v TO PUBLIC;\n"
    assert package.upgrade_script(other) == "SELECT 1;\n"
