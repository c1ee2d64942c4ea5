"""A thing that is there by name and is not what is needed is told, with what mends it."""

import os
import subprocess

import pytest
from pgai_dev import checks, libclang
from pgai_dev.checks import cache as cache_check
from pgai_dev.checks import compiler, network, postgres, python, rust
from pgai_dev.checks import libclang as libclang_check
from pgai_dev.console import CannotRunHere, Failure
from pgai_dev.missing import Missing


def told(found: list[Missing]) -> str:
    return "\n".join(f"{one.what} → {one.mend}" for one in found)


# libclang


@pytest.fixture
def shared_library(tmp_path):
    """A library of another kind: shared_library("libclang-cpp.so.14")."""

    def make(name: str, code: str = "int nothing_of_clang(void) { return 0; }"):
        source = tmp_path / "library.c"
        source.write_text(code)
        subprocess.run(["gcc", "-shared", "-fPIC", source, "-o", tmp_path / name], check=True)
        return tmp_path / name

    return make


def test_whatever_libclang_the_machine_has_ours_is_taken(shared_library, monkeypatch, tmp_path):
    shared_library("libclang-cpp.so.14")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    monkeypatch.setattr(libclang, "FETCHED", shared_library("ours.so"))
    assert libclang.environment()["LIBCLANG_PATH"] == str(tmp_path / "ours.so")
    assert libclang_check.missing() == []


def test_the_cpp_library_is_not_libclang(shared_library, monkeypatch):
    library = shared_library("libclang-cpp.so.14")
    monkeypatch.setenv("LIBCLANG_PATH", str(library))
    assert "has no clang_createIndex" in told(libclang_check.missing())
    assert "unset LIBCLANG_PATH" in told(libclang_check.missing())
    monkeypatch.setenv("LIBCLANG_PATH", str(library.parent))
    assert "is or holds no libclang" in told(libclang_check.missing())


def test_a_libclang_that_cannot_be_loaded_is_said(tmp_path, monkeypatch):
    (tmp_path / "libclang.so").write_text("no library")
    monkeypatch.setenv("LIBCLANG_PATH", str(tmp_path))
    assert "invalid ELF header" in told(libclang_check.missing()) or "file too short" in told(libclang_check.missing())


def test_a_libclang_of_another_age_is_said(shared_library, monkeypatch):
    code = """
        typedef struct { const void *data; unsigned flags; } CXString;
        void *clang_createIndex(int a, int b) { return 0; }
        void *clang_parseTranslationUnit(void *i, const char *f, const char *const *w, int n, void *u, unsigned m, unsigned o)
        { return 0; }
        void *clang_getDiagnostic(void *u, unsigned n) { return 0; }
        unsigned clang_getNumDiagnostics(void *u) { return 0; }
        int clang_getDiagnosticSeverity(void *d) { return 0; }
        CXString clang_formatDiagnostic(void *d, unsigned o) { CXString s = {"", 0}; return s; }
        CXString clang_getClangVersion(void) { CXString s = {"clang version 3.8.1", 0}; return s; }
        const char *clang_getCString(CXString s) { return s.data; }
    """
    monkeypatch.setenv("LIBCLANG_PATH", str(shared_library("libclang.so", code)))
    assert "clang version 3.8.1; bindgen wants 9 or newer" in told(libclang_check.missing())


def test_the_library_is_named_as_a_file_so_that_no_other_is_found(tmp_path, monkeypatch):
    for name in ("libclang-cpp.so.14", "libclang-14.so.1", "libclang.so.1"):
        (tmp_path / name).touch()
    assert libclang.chosen(tmp_path) == tmp_path / "libclang.so.1"
    monkeypatch.setenv("LIBCLANG_PATH", str(tmp_path))
    assert libclang.environment()["LIBCLANG_PATH"] == str(tmp_path / "libclang.so.1")


# The compiler


def test_this_machine_has_a_compiler():
    assert compiler.missing() == []


def test_a_compiler_that_is_there_and_makes_nothing_is_said(program):
    program("gcc", 'test "$1" = --version || { echo "fatal error: stdio.h: No such file or directory"; exit 1; }')
    found = compiler.missing()
    assert "stdio.h: No such file" in told(found)
    assert found[0].packages == ("gcc", "libc6-dev")


def test_a_compiler_in_cc_that_cannot_be_run_is_said(monkeypatch):
    monkeypatch.setenv("CC", "clang-99")
    found = compiler.missing()
    assert "clang-99" in told(found) and "unset CC" in told(found)


def test_a_cache_in_which_nothing_may_run_is_said(program):
    # As on a file system that is mounted noexec.
    script = 'for last; do :; done; echo > "$last"; chmod 644 "$last"'
    for name in ("gcc", "cc"):
        program(name, f'test "$1" = --version || {{ {script}; }}')
    assert "cannot be run: " in told(compiler.missing()) and "noexec" in told(compiler.missing())


# Rust


def test_this_machine_has_rust():
    assert rust.missing() == []


def test_no_rust_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(rust, "CARGO_HOME", tmp_path)
    monkeypatch.setenv("PATH", "/nonexistent")
    assert "https://rustup.rs" in told(rust.missing())


def test_a_rust_that_is_not_in_the_path_is_said(monkeypatch, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "cargo").touch()
    monkeypatch.setattr(rust, "CARGO_HOME", tmp_path)
    monkeypatch.setenv("PATH", "/nonexistent")
    assert f'. "{tmp_path}/env"' in told(rust.missing())


def test_a_cargo_without_a_toolchain_is_said(program):
    program("cargo", 'echo "error: rustup could not choose a version of cargo to run"; exit 1')
    assert "rustup toolchain install" in told(rust.missing())


def test_a_rust_that_is_too_old_is_said(program):
    program("cargo", 'echo "cargo 1.63.0"')
    program("rustc", 'echo "rustc 1.63.0"')
    found = told(rust.missing())
    assert "cargo 1.63.0 is too old" in found and "rustc 1.63.0 is too old" in found


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RUSTC_WRAPPER", "/nonexistent/sccache"),
        ("RUSTFLAGS", "-Clinker=/nonexistent/mold"),
        ("CARGO_BUILD_TARGET", "wasm32-unknown-unknown"),
    ],
)
def test_what_breaks_cargo_is_said_with_its_name(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    assert f"{name}={value}" in told(rust.missing())


def test_a_configuration_of_cargo_is_tried(monkeypatch, tmp_path):
    (tmp_path / "config.toml").write_text('[build]\nrustc-wrapper = "/nonexistent/sccache"\n')
    monkeypatch.setenv("CARGO_HOME", str(tmp_path))
    monkeypatch.setattr(rust, "CARGO_HOME", tmp_path)
    assert f"look into {tmp_path / 'config.toml'}" in told(rust.missing())


# Python


def test_this_python_makes_environments():
    assert python.missing() == []


def test_a_python_without_pip_is_said(monkeypatch):
    monkeypatch.setattr(python, "_ways_to_pip", lambda: iter([["false"]]))
    assert python.missing()[0].packages == ("python3-venv",)


# The cache


def test_an_empty_cache_is_all_right(monkeypatch):
    assert cache_check._name() + cache_check._room() == []


def test_a_name_that_make_cannot_read_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(cache_check.places, "CACHE", tmp_path / "with a blank")
    assert "set PGAI_RS_CACHE" in told(cache_check.missing())


def test_a_full_disk_is_said(monkeypatch):
    monkeypatch.setattr(cache_check, "ROOM", 1 << 40)
    assert "GB free" in told(cache_check.missing())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can leave something to root, and is shut out of nothing")
def test_what_root_left_in_the_cache_is_said(cache, monkeypatch):
    (cache / "wheels").mkdir(parents=True)
    monkeypatch.setattr(os, "access", lambda path, mode: path != cache / "wheels")
    assert "sudo chown -R" in told(cache_check._writable(cache))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's clusters run as another user")
def test_a_cache_that_root_keeps_to_itself_is_said(cache):
    cache.mkdir()
    cache.chmod(0o700)
    assert "may not be passed through by other users" in told(cache_check._reachable())


# Postgres


@pytest.fixture
def pg_config(program, tmp_path, monkeypatch):
    """A Postgres that was installed by somebody: its headers are there, pgvector is not."""
    (tmp_path / "pg" / "extension").mkdir(parents=True)
    (tmp_path / "pg" / "postgres.h").touch()
    path = program("pg_config", f'case $1 in --version) echo "PostgreSQL 17.2";; *) echo {tmp_path}/pg;; esac')
    monkeypatch.setenv("PG_CONFIG", str(path))
    return tmp_path / "pg"


def test_a_postgres_without_pgvector_is_said_before_it_is_needed(pg_config):
    assert postgres.missing(installing=True, running=True)[0].packages == ("postgresql-17-pgvector",)
    (pg_config / "extension" / "vector.control").touch()
    assert postgres.missing(installing=True, running=True) == []


def test_a_postgres_without_headers_is_said(pg_config):
    (pg_config / "postgres.h").unlink()
    assert "postgresql-server-dev-17" in told(postgres.missing(installing=False, running=False))


def test_a_postgres_that_is_not_ours_to_write_to_is_said(pg_config, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert "SUDO=sudo" in told(postgres.missing(installing=True, running=False))
    monkeypatch.setenv("SUDO", "nonexistent")
    assert "cannot be run" in told(postgres.missing(installing=True, running=False))


@pytest.mark.parametrize("config", ["/nonexistent/pg_config", "/bin/false"])
def test_a_pg_config_that_is_none_is_said(monkeypatch, config):
    monkeypatch.setenv("PG_CONFIG", config)
    assert "set PG_CONFIG" in told(postgres.missing(installing=False, running=False))


def test_a_postgres_of_debian_s_without_debian_is_nobody_s_fault(monkeypatch, program):
    monkeypatch.delenv("PG_CONFIG", raising=False)
    monkeypatch.setenv("PG", "15")
    program("apt-get", "exit 1")
    with pytest.raises(CannotRunHere, match="apt-get cannot be run"):
        checks.tell(postgres.missing(installing=False, running=False))


# The network


def test_a_server_that_does_not_answer_is_said(monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setattr(network, "_crates", lambda: [])
    assert "PIP_INDEX_URL" in told(network.missing())


def test_crates_that_cannot_be_fetched_are_said(monkeypatch, tmp_path):
    monkeypatch.setenv("CARGO_HOME", str(tmp_path))
    monkeypatch.setenv("CARGO_NET_OFFLINE", "true")
    assert "CARGO_NET_OFFLINE=true" in told(network._crates())


def test_the_index_is_pip_s_own(monkeypatch, tmp_path):
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    (tmp_path / "pip.conf").write_text("[global]\nindex-url = https://example.invalid/simple\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    assert network.index() == "https://example.invalid/simple"


# All of it


def test_all_is_said_at_once_with_one_command():
    found = [
        Missing("no compiler", "apt-get install gcc", ("gcc",)),
        Missing("no Rust", "install it"),
        Missing("no venv", "apt-get install python3-venv", ("python3-venv",)),
    ]
    with pytest.raises(Failure) as raised:
        checks.tell(found)
    text = str(raised.value)
    assert "3 things are missing" in text and "no compiler" in text and "no Rust" in text
    assert text.endswith("sudo apt-get install gcc python3-venv")
