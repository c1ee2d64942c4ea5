"""A few lines for the reader, cargo's own words in a log."""

import io
import os
import sys

import pytest
from pgai_dev import progress
from pgai_dev.console import Failure, log_path


def cargo(script: str) -> None:
    progress.cargo([sys.executable, "-c", script], log="cargo", env=dict(os.environ))


def test_cargo_s_own_words_are_in_the_log(capsys):
    cargo("import sys; sys.stderr.write('   Compiling syn v2\\n    Building [==>  ] 1/3: syn\\r')")
    assert log_path("cargo").read_text() == "   Compiling syn v2\n"
    assert "Compiling" not in capsys.readouterr().out


def test_a_failure_shows_the_first_error_and_where_the_rest_is():
    script = "import sys; sys.stderr.write('x\\n' * 99 + 'error: this one\\n  --> here\\n'); sys.exit(3)"
    with pytest.raises(Failure) as raised:
        cargo(script)
    text = str(raised.value)
    assert "exit code 3" in text and "error: this one\n      --> here" in text and "    x" not in text
    assert str(log_path("cargo")) in text


def test_warnings_are_not_kept_quiet(capsys):
    cargo("import sys; sys.stderr.write('warning: `pgai_rs` (lib) generated 2 warnings\\n')")
    assert "generated 2 warnings" in capsys.readouterr().out


def test_a_compiler_that_was_killed_is_explained():
    assert "too little memory" in progress.why("error: could not compile `x`\n  (signal: 9, SIGKILL: kill)")


def line(*shown: tuple[float, int, int]) -> str:
    """Returns what is written off a terminal, at these times, for these counts."""
    out, now = io.StringIO(), [0.0]
    one = progress.Line(clock=lambda: now[0], out=out)
    for now[0], done, total in shown:
        one.show(done, total)
    one.end()
    return out.getvalue()


def test_off_a_terminal_there_is_a_line_now_and_then():
    said = line(*((second, second, 300) for second in range(100)))
    assert said.count("crates compiled") == 3


def test_how_long_it_still_takes_follows_the_course():
    # The first fifth of the crates is a tenth of the time.
    said = line((0, 0, 300), (60, 60, 300))
    assert "60 of 300 crates compiled, 1 min 0 s so far, about 9 min 0 s to go" in said


def test_a_few_crates_are_not_worth_a_forecast():
    assert "to go" not in line((0, 297, 300), (60, 299, 300))


def test_the_course_goes_from_nothing_to_all():
    assert [progress.course(share) for share in (0, 0.2, 1)] == [0, 0.1, 1]
    points = [progress.course(number / 100) for number in range(101)]
    assert points == sorted(points)
