"""The images and the compose file name what is there: files, paths of the package, settings, users."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml
from pgai_dev import places, surroundings
from pgai_dev.deb import control, layout_of

CONTAINERS = places.ROOT / "containers"
DOCKERFILES = sorted(CONTAINERS.glob("*Dockerfile"))
COMPOSE = yaml.safe_load((CONTAINERS / "compose.yaml").read_text())
SETTINGS = (places.ROOT / "docs" / "settings.md").read_text()


def instructions(path: Path) -> list[tuple[str, str]]:
    """Returns the instructions of a Dockerfile with their arguments, each on one line."""
    text = re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n", "", path.read_text(), flags=re.MULTILINE))
    return [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_what_is_copied_is_in_the_tree_or_made_by_make_package(path):
    for name, arguments in instructions(path):
        if name != "COPY" or "--from=" in arguments:
            continue
        *sources, _ = arguments.split()
        for source in sources:
            made = f"dist/{control.name('${PG}')}_*.deb"
            assert source == made or (places.ROOT / source).is_file(), source


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_an_image_runs_as_nobody_who_may_do_more(path):
    users = [arguments for name, arguments in instructions(path) if name == "USER"]
    assert users and users[-1].split(":")[0] not in ("root", "0")
    last = [name for name, _ in instructions(path)]
    assert last.index("USER") > max(place for place, name in enumerate(last) if name in ("RUN", "COPY"))


def test_the_server_has_a_health_check_and_preloads():
    [check] = [arguments for name, arguments in instructions(CONTAINERS / "Dockerfile") if name == "HEALTHCHECK"]
    installed = [arguments for name, arguments in instructions(CONTAINERS / "Dockerfile") if name == "COPY"]
    program = re.search(r'CMD \["(.+?)"\]', check)[1]
    assert f"containers/health.sh /usr/local/bin/{program}" in installed
    assert (CONTAINERS / "health.sh").stat().st_mode & 0o111
    [command] = [arguments for name, arguments in instructions(CONTAINERS / "Dockerfile") if name == "CMD"]
    assert "shared_preload_libraries=pgai_rs" in command


@pytest.mark.parametrize("path", sorted(CONTAINERS.glob("*.sh")), ids=lambda path: path.name)
def test_a_script_is_one(path):
    assert subprocess.run(["sh", "-n", path], capture_output=True).returncode == 0


def test_mounts_and_builds_of_the_compose_file_are_there():
    named = set(COMPOSE["volumes"])
    for service in COMPOSE["services"].values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in named or (CONTAINERS / source).is_dir()
        assert set(service.get("depends_on", {})) <= COMPOSE["services"].keys()
    build = COMPOSE["services"]["db"]["build"]
    assert (CONTAINERS / build["context"] / build["dockerfile"]).is_file()


def test_the_compose_file_runs_what_the_package_and_the_tree_have():
    major = COMPOSE["services"]["db"]["build"]["args"]["PG"]
    assert major in places.MAJORS
    [program] = COMPOSE["services"]["model"]["entrypoint"]
    assert Path(program) == layout_of(major).programs / "pgai_rs_embedding_server"
    for name in ("model-files", "demo"):
        script = COMPOSE["services"][name]["command"][1]
        assert (places.ROOT / script.removeprefix("/pgai_rs/")).is_file()
    assert set(COMPOSE["services"]["demo"]["environment"]) <= {*surroundings.SERVERS}
    help_says = subprocess.run(["make", "help"], capture_output=True, text=True, cwd=places.ROOT).stdout
    assert COMPOSE["services"]["demo"]["command"][2] in help_says


def test_each_setting_of_ours_is_documented():
    files = [*DOCKERFILES, CONTAINERS / "compose.yaml", CONTAINERS / "cnpg.yaml"]
    named = set(re.findall(r"\bpgai_rs\.\w+(?==)", "\n".join(path.read_text() for path in files)))
    assert {name for name in named if f"`{name}`" not in SETTINGS} == set()


def test_what_a_page_says_to_run_is_there():
    """Files of this directory that a comment or a page names."""
    pages = [*places.ROOT.glob("*.md"), *places.ROOT.glob("docs/*.md"), *CONTAINERS.iterdir()]
    named = set(re.findall(r"\bcontainers/[\w.-]+\w", "\n".join(path.read_text() for path in pages)))
    assert {name for name in named if not (places.ROOT / name).exists()} == set()


def test_the_s3_server_is_the_one_that_the_tests_use():
    requirements = (places.ROOT / "tools" / "pgai_dev" / "requirements.txt").read_text()
    version = re.search(r"^moto==(.+)$", requirements, re.MULTILINE)[1]
    assert COMPOSE["services"]["s3"]["image"] == f"motoserver/moto:{version}"


@pytest.mark.skipif(subprocess.run(["which", "dpkg-deb"], capture_output=True).returncode != 0, reason="needs dpkg-deb")
def test_a_package_is_laid_out_as_it_is_mounted(tmp_path):
    tree, layout = tmp_path / "tree", layout_of("18").below(tmp_path / "tree")
    documents = tree / "usr/share/doc" / control.name("18")
    for directory in (layout.library, layout.extension, layout.programs, documents, tree / "DEBIAN"):
        directory.mkdir(parents=True)
    for name in ("pgai_rs.so", "pgai_rs_parser"):
        (layout.library / name).touch()
    for name in ("pgai_rs.control", "pgai_rs--0.3.0.sql"):
        (layout.extension / name).touch()
    for name in ("copyright", "THIRD-PARTY-NOTICES.gz", "COPYRIGHT-rust.html.gz"):
        (documents / name).touch()
    fields = {"Package": control.name("18"), "Version": "1-1", "Architecture": "all", "Maintainer": "x <x@example.com>"}
    (tree / "DEBIAN/control").write_text("".join(f"{key}: {value}\n" for key, value in (fields | {"Description": "x"}).items()))
    package, image = tmp_path / "package.deb", tmp_path / "image"
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", tree, package], check=True, capture_output=True)

    subprocess.run(shlex.split(f"sh {CONTAINERS / 'lay-out.sh'} {package} {image}"), check=True)
    laid = sorted(str(path.relative_to(image)) for path in image.rglob("*") if path.is_file())
    assert laid == [
        "lib/pgai_rs.so",
        "lib/pgai_rs_parser",
        "licenses/COPYRIGHT-rust.html.gz",
        "licenses/THIRD-PARTY-NOTICES.gz",
        "licenses/copyright",
        "share/extension/pgai_rs--0.3.0.sql",
        "share/extension/pgai_rs.control",
    ]
