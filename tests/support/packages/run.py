"""All ways, on both releases of Debian: with the Postgres that each brings."""

import shutil
from collections.abc import Callable
from pathlib import Path

from pgai_dev import package, postgres
from pgai_dev.console import Failure, say, step
from pgai_dev.deb import archive, roots

from support.packages import demo, extra, measures, ways
from support.packages.machine import Machine
from support.packages.root import Root
from support.s3 import S3Server
from support.stub import Stub

# That whose files an upgrade begins with.
EARLIER = "0.2.0"
KEY = {"OPENAI_API_KEY": "sk-test"}
# That of the compose file.
TELLING = "17"


class Packages:
    """Our packages by major, and what has to be installed with them."""

    def __init__(self, made: list[Path], servers: dict[str, postgres.Postgres], directory: Path):
        self._ours = {path.name.split("-")[1]: path for path in made}
        # What the releases of Debian lack.
        lacking = {"15": [extra.vector], "16": [extra.server, extra.vector]}
        self._beside = {
            major: [pack(servers[major], directory) for pack in packs] for major, packs in lacking.items() if major in self._ours
        }
        self.earlier = {major: extra.earlier(path, EARLIER, directory) for major, path in self._ours.items()}
        for path in made:
            _same_again(path, directory)

    def of(self, major: str) -> list[Path]:
        if major not in self._ours:
            raise Failure(f"there is no package for Postgres {major}")
        return [self._ours[major], *self._beside.get(major, [])]

    @property
    def majors(self) -> list[str]:
        return sorted(self._ours)


def _same_again(made: Path, directory: Path) -> None:
    """Packs the content of a package once more, which must make the same bytes."""
    tree = extra.unpacked(made, directory / f"again-{made.stem}")
    epoch = int((tree / "usr").stat().st_mtime)
    again = archive.pack(tree, extra.fields(made), epoch, directory / "again")
    if again.read_bytes() != made.read_bytes():
        raise Failure(f"{again} is packed of the same files as {made}, and is another")
    shutil.rmtree(tree)
    again.unlink()


def run_all(made: list[Path], servers: dict[str, postgres.Postgres], directory: Path) -> None:
    """Goes all ways with each of these packages; `servers` are those that packages are made of."""
    packages = Packages(made, servers, directory)
    stub, s3 = Stub(), S3Server(directory)
    bucket = s3.bucket("my-bucket")
    bucket.put("handbook.md", ways.HANDBOOK)
    bucket.put("page.html", ways.PAGE)
    bucket.put("other.html", ways.PAGE.replace("Canteen", "Garden"))
    times = {}
    try:
        for major in packages.majors:
            with Root(roots.RELEASES[major], directory) as root:
                machine = Machine(root, major, KEY | s3.env, stands_in=major in roots.STANDS_IN)
                times[f"{root.release}, Postgres {major}"] = _ways_of(machine, packages, stub.url)
                if major == TELLING:
                    step(f"{root.release}: the demo, with what containers/compose.yaml puts together")
                    _shown(machine, lambda: demo.tell(machine, s3, directory))
                if major == "17" and "15" in packages.majors:
                    step(f"{root.release}: from Postgres 15 to 17 by pg_upgradecluster")
                    old = Machine(root, "15", KEY)
                    _shown(machine, lambda: ways.next_major(old, machine, packages.of("15"), packages.of("17"), stub.url))
    finally:
        s3.stop()
        stub.close()
    for where, stages in times.items():
        say(f"\nA stranger's way on Debian's {where}, seconds since `apt install`:")
        for what, seconds in stages:
            say(f"    {seconds:6.1f}  {what}")


def _ways_of(machine: Machine, packages: Packages, model_url: str) -> list[tuple[str, float]]:
    release, major = machine.root.release, machine.major
    ours = packages.of(major)
    step(f"{release}: from apt install to the first search, on Postgres {major}")
    watch = _shown(machine, lambda: ways.first_search(machine, ours, model_url))
    step(f"{release}: what it takes before it is used")
    _shown(machine, lambda: measures.measure(machine))
    step(f"{release}: mounted elsewhere")
    _shown(machine, lambda: ways.mounted(machine, ours[0]))
    step(f"{release}: removed, read, and installed again")
    _shown(machine, lambda: ways.away_and_back(machine, ours))
    step(f"{release}: from the files of {EARLIER}, and not back")
    _shown(machine, lambda: ways.upgrade(machine, packages.earlier[major], ours, model_url, package.version()))
    return watch.stages


def _shown(machine: Machine, way: Callable):
    """Goes a way; if it fails, the end of the server's log is shown."""
    try:
        return way()
    except (Failure, AssertionError) as failure:
        raise Failure(f"{failure}\n\nThe end of the server's log:\n{machine.log()[-3000:]}") from None
