"""The ways of somebody who has the package: to the first search, away from it, from an earlier version and back, and to the
next major of Postgres."""

import re
from pathlib import Path

from pgai_dev import debian, places
from pgai_dev.console import Failure, say
from pgai_dev.deb import control, roots

from support.packages.machine import DATABASE, Machine, Watch

HANDBOOK = "# Leave\n\nEverybody has thirty days of leave a year.\n\n# Travel\n\nTrains are paid for.\n"
PAGE = "<html><body><p>Canteen</p><p>from noon to two</p></body></html>"
# The most that the image of the extension's files alone may take, in bytes, as it is fetched.
IMAGE = 20 << 20
# As the README has it named.
STORE = "document_embeddings_store"
# A vectorizer that needs no S3, as a statement of 0.2.0.
NOTES = """
    CREATE EXTENSION pgai_rs CASCADE;
    CREATE TABLE note (id int PRIMARY KEY, body text);
    SELECT ai.create_vectorizer('note'::regclass,
        loading     => ai.loading_column('body'),
        embedding   => ai.embedding_openai('text-embedding-3-small', 768),
        destination => ai.destination_table('note_embeddings'));
"""
EMBEDDED = "SELECT string_agg(chunk, ',' ORDER BY id) FROM note_embeddings"
VERSION = "SELECT extversion FROM pg_extension WHERE extname = 'pgai_rs'"


def readme() -> tuple[str, str]:
    """The README's first statements: those that declare, and the search."""
    code = re.search(r"```sql\n(.+?)```", (places.ROOT / "README.md").read_text(), re.DOTALL)[1]
    declare, search = code.split("-- a moment later\n")
    return declare, search


def first_search(machine: Machine, packages: list[Path], model_url: str) -> Watch:
    """From `apt install` to the first answer, by the README's statements."""
    declare, search = readme()
    watch = Watch()
    machine.install(*packages)
    machine.ensure_cluster()
    watch.stage("apt install, with Postgres itself")
    configure(machine, model_url)
    machine.restart()
    watch.stage("two lines of postgresql.conf, and a restart")
    machine.create_database()
    machine.sql(declare)
    watch.stage("CREATE EXTENSION, a table, a vectorizer and a row")
    machine.eventually(f"SELECT count(*) > 0 FROM {STORE}", "t")
    answers = machine.sql(search)
    watch.stage("the first search")
    if "days of leave" not in answers or "s3://my-bucket/handbook.md" not in answers:
        raise Failure(f"the search found {answers!r}")
    _healthy(machine)
    _a_page(machine)
    return watch


def _a_page(machine: Machine) -> None:
    """What is not plain text is read by the program beside the library."""
    machine.sql("INSERT INTO document (title, uri) VALUES ('Page', 's3://my-bucket/page.html')")
    machine.eventually("SELECT count(*) = 1 FROM document_embeddings WHERE title = 'Page' AND chunk LIKE '%Canteen%noon%'", "t")


def _healthy(machine: Machine) -> None:
    """Asks what the container image's health check asks."""
    script = (places.ROOT / "containers" / "health.sh").read_text()
    machine.root.run("sh", "-c", script, user="postgres", env={"POSTGRES_DB": DATABASE})


def configure(machine: Machine, model_url: str) -> None:
    # The two lines, and where the model of this test listens.
    machine.settings(
        shared_preload_libraries="pgai_rs", max_worker_processes="16", pgai_rs__openai_base_url=model_url
    )


def mounted(machine: Machine, package: Path) -> None:
    """The package laid out as the image for CloudNativePG is, and found there by the paths that the operator sets. Before
    Postgres 18 the control file and the scripts cannot lie elsewhere."""
    image, script = "/extensions/pgai_rs", places.ROOT / "containers" / "lay-out.sh"
    machine.root.run("sh", machine.root.take(script), machine.root.take(package), image)
    size = int(machine.root.run("sh", "-c", f"tar c -C {image} . | gzip | wc -c"))
    say(f"    {size / 1e6:.1f} MB  to be fetched as the image of the extension's files alone")
    if size > IMAGE:
        raise Failure(f"that is more than {IMAGE} bytes")
    moved = machine.files() if int(machine.major) >= 18 else [path for path in machine.files() if "/share/" not in path]
    for path in moved:
        machine.root.run("mv", path, f"{path}.away")
    paths = {"dynamic_library_path": f"$libdir:{image}/lib"}
    if int(machine.major) >= 18:
        paths["extension_control_path"] = f"$system:{image}/share"
    machine.settings(**paths)
    machine.restart()

    machine.sql("UPDATE document SET uri = 's3://my-bucket/other.html' WHERE title = 'Page'")
    machine.eventually("SELECT count(*) = 1 FROM document_embeddings WHERE title = 'Page' AND chunk LIKE '%Garden%'", "t")
    machine.sql("CREATE DATABASE mounted", database="postgres")
    machine.sql("CREATE EXTENSION pgai_rs CASCADE", database="mounted")
    machine.sql("DROP DATABASE mounted", database="postgres")
    for path in moved:
        machine.root.run("mv", f"{path}.away", path)
    for name in paths:
        machine.forget_setting(name)
    machine.restart()


def away_and_back(machine: Machine, packages: list[Path]) -> None:
    """Without the package everything is readable, and what it does again is what it missed."""
    declared, chunks = "SELECT count(*) FROM document", f"SELECT count(*), min(chunk) FROM {STORE}"
    joined = "SELECT title, chunk FROM document_embeddings ORDER BY id, chunk_seq"
    read = [machine.sql(query) for query in (declared, chunks, joined)]
    machine.forget_setting("shared_preload_libraries")
    machine.remove(control.name(machine.major))
    machine.restart()
    _expect([machine.sql(query) for query in (declared, chunks, joined)], read)
    nearest = f"SELECT count(*) FROM (SELECT FROM {STORE} ORDER BY embedding <=> (SELECT embedding FROM {STORE} LIMIT 1)) n"
    _expect(machine.sql(nearest), read[1].split("|")[0])
    for statement in ("INSERT INTO document (title) VALUES ('nobody embeds this')", "ALTER TABLE document ADD added int"):
        if 'could not access file "pgai_rs"' not in (said := machine.refused(statement)):
            raise Failure(f"without the library, {statement} was refused with: {said}")
    _dropped_without_the_library(machine, chunks, read[1])

    machine.install(*packages)
    machine.settings(shared_preload_libraries="pgai_rs")
    machine.restart()
    machine.sql("UPDATE document SET title = 'Handbook, again'")
    machine.eventually("SELECT DISTINCT title FROM document_embeddings", "Handbook, again")
    machine.eventually("SELECT pending_items FROM ai.vectorizer_status", "0")


def _dropped_without_the_library(machine: Machine, chunks: str, read: str) -> None:
    """In a copy of the database: the extension can be dropped, and then rows are written and embeddings read."""
    copy = "without_extension"
    machine.sql(f"CREATE DATABASE {copy} TEMPLATE {DATABASE}", database="postgres")
    machine.sql("DROP EXTENSION pgai_rs CASCADE; INSERT INTO document (title) VALUES ('free')", database=copy)
    _expect(machine.sql(chunks, database=copy), read)
    machine.sql(f"DROP DATABASE {copy}", database="postgres")


def upgrade(machine: Machine, earlier: Path, packages: list[Path], model_url: str, version: str) -> None:
    """A live vectorizer of an earlier version goes through the upgrade; the way back is refused, and harms nothing."""
    machine.remove(control.name(machine.major))
    machine.install(earlier)
    machine.drop_clusters()
    machine.create_cluster()
    configure(machine, model_url)
    machine.restart()
    machine.create_database()
    machine.sql(NOTES)
    _expect(machine.sql(VERSION), earlier.name.split("_")[1].split("-")[0])
    machine.sql("INSERT INTO note VALUES (1, 'before')")
    machine.eventually(EMBEDDED, "before")

    # Between the package and the restart the old library, which is loaded, goes on; then the new one with old objects.
    machine.install(*packages)
    machine.sql("INSERT INTO note VALUES (2, 'installed')")
    machine.eventually(EMBEDDED, "before,installed")
    machine.restart()
    machine.sql("INSERT INTO note VALUES (3, 'restarted')")
    machine.eventually(EMBEDDED, "before,installed,restarted")
    machine.sql("ALTER EXTENSION pgai_rs UPDATE")
    _expect(machine.sql(VERSION), version)
    machine.sql("INSERT INTO note VALUES (4, 'updated')")
    machine.eventually(EMBEDDED, "before,installed,restarted,updated")
    _no_way_back(machine, earlier)


def _no_way_back(machine: Machine, earlier: Path) -> None:
    version = machine.sql(VERSION)
    said = machine.refused("ALTER EXTENSION pgai_rs UPDATE TO '0.2.0'")
    if "has no update path" not in said:
        raise Failure(f"the way back was refused with: {said}")
    path = machine.root.take(earlier)
    done = machine.root.attempt("apt-get", "--quiet", "--yes", "install", path)
    if not done.returncode or "--allow-downgrades" not in done.stdout + done.stderr:
        raise Failure(f"apt went back without being told to: {done.stdout}{done.stderr}")
    _expect(machine.sql(VERSION), version)
    machine.sql("UPDATE note SET body = 'still' WHERE id = 1")
    machine.eventually(EMBEDDED, "still,installed,restarted,updated")


def next_major(old: Machine, new: Machine, old_packages: list[Path], new_packages: list[Path], model_url: str) -> None:
    """A cluster with a live vectorizer is upgraded by Debian's own tool, with the packages of both majors."""
    old.root.write("/etc/apt/sources.list.d/before.list", f"deb {debian.mirror()} {roots.RELEASES[old.major]} main\n")
    old.install(*old_packages, *new_packages)
    old.drop_clusters()
    old.create_cluster()
    configure(old, model_url)
    old.restart()
    old.create_database()
    old.sql(NOTES)
    old.sql("INSERT INTO note VALUES (1, 'fifteen')")
    old.eventually(EMBEDDED, "fifteen")

    old.root.run("pg_upgradecluster", "-m", "upgrade", "-v", new.major, old.major, "main")
    new.sql("INSERT INTO note VALUES (2, 'seventeen')")
    new.eventually(EMBEDDED, "fifteen,seventeen")
    _expect(new.sql("SELECT current_setting('server_version_num')::int / 10000"), new.major)
    _expect(new.sql("SHOW shared_preload_libraries"), "pgai_rs")


def _expect(seen, wanted) -> None:
    if seen != wanted:
        raise Failure(f"{seen!r} instead of {wanted!r}")
