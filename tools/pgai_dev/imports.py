"""The floors of the house: which file imports which, where they run in a circle, and where one reaches upwards.

What counts:

* Code, not its tests: what is `#[cfg(test)]`, comments and texts are left out, and so are `tests/` and benches.
* A path in a `use` or in the code counts as an import of the file that has the thing, however often it is passed on by
  a `pub use`. To pass something on, or to declare a module, is no import of it.
* A module and its parent: a child may use what the file of its own folder defines (a trait, an error), and that file may
  know its children (the table of those who implement the trait). The way down counts and the way up does not, so that
  the two alone are no circle. For whoever else comes to the parent, it counts.
* `lib.rs` and `main.rs` know everything, and nobody minds.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from . import places
from .console import Failure, say, step
from .rust_source import Module, crate, resolve


@dataclass
class Rules:
    """The rules that a crate is held to."""

    root: str
    # Top first. A room, which is a file or a folder below the root, imports from lower floors, and from its own as long
    # as those of one floor make no circle.
    floors: list[set[str]]
    # Imports upwards, and files in circles, that are known. The list shrinks: one that is gone must leave it.
    upwards: set[tuple[str, str]] = field(default_factory=set)
    circles: list[set[str]] = field(default_factory=list)


EXTENSION = Rules(
    root="src/lib.rs",
    floors=[
        {"api"},
        {"migrate"},
        {"declare", "worker"},
        {"index", "ddl", "search"},
        {"source", "queue"},
        {"trigger"},
        {"access"},
        {"catalog"},
        {"guc", "pg", "shared"},
    ],
)

PIPELINE = Rules(
    root="crates/pipeline/src/lib.rs",
    floors=[
        {"run"},
        {"citation"},
        {"chunk", "embed", "load", "source"},
        {"document"},
        {"parse"},
        {"s3"},
        {"compression", "offload", "seal", "server_url", "settings"},
        {"config", "fair", "network"},
        {
            "backoff", "budget", "child", "estimate", "exhausted", "failure", "format", "json_items", "memory_budget", "message", "outline",
            "quota", "search", "secret", "threads", "usage",
        },
    ],
)

QUEUE = Rules(
    root="crates/queue/src/lib.rs",
    floors=[
        {"complete", "fail"},
        {"gone", "unheld"},
        {"claim", "column", "sample", "store"},
        {"outcome", "provenance"},
        {"suspects", "text", "words"},
        {"errors", "work"},
        {"inbox", "partitions"},
        {"cursor"},
        {"sql"},
        {"definition"},
        {"tables"},
        {"key"},
        {"quote", "session", "statements", "allowance", "bounds"},
    ],
)

EMBEDDING_SERVER = Rules(
    root="crates/embedding-server/src/lib.rs",
    floors=[
        {"server"},
        {"queue"},
        {"embed", "protocol"},
        {"tokenize"},
        {"model"},
        {"checkpoint", "kernels"},
    ],
)

PARSER = Rules(
    root="crates/parser/src/lib.rs",
    floors=[
        {"answer"},
        {"detect", "mail"},
        {"html", "odf", "office", "pdf", "rtf", "sheets", "text"},
        {"charset", "compound", "date", "flow", "markdown", "package"},
        {"document", "error", "kind", "nesting", "panics", "sandbox"},
    ],
    # Documents are made so: a cell of a table and an item of a list hold what a document holds, a letter is attached to a
    # letter.
    circles=[
        {"mail/attachment.rs", "mail/internet.rs", "mail/letter.rs", "mail/outlook.rs"},
        {"text/xml/prose/list.rs", "text/xml/prose/table.rs", "text/xml/prose/writer.rs"},
    ],
)

CRATES = [EXTENSION, PIPELINE, QUEUE, PARSER, EMBEDDING_SERVER]


@dataclass
class House:
    """The imports of a crate, between its files."""

    root: Module
    folder: Path
    # From a file to a file, and the line of it that comes first.
    edges: dict[tuple[str, str], int]
    # The same without what a child has of its parent.
    counted: set[tuple[str, str]]
    rooms: dict[str, str]

    def room_edges(self) -> set[tuple[str, str]]:
        pairs = ((self.rooms[a], self.rooms[b]) for a, b in self.edges)
        return {(a, b) for a, b in pairs if a != b and "" not in (a, b)}


def house(root_file: Path) -> House:
    """Reads a crate."""
    root, folder = crate(root_file), root_file.parent
    edges, counted, rooms = {}, set(), {}

    def name(module: Module) -> str:
        return str(module.file.relative_to(folder))

    for module in root.all():
        rooms[name(module)] = "" if module is root else module.room()
    for module in root.all():
        if module is root:
            continue
        ways = [(entry.path, entry.line) for entry in module.imports if not _passes_on_own(module, entry)]
        for path, line in ways + module.paths:
            target = resolve(module, path)
            # A module's name alone brings in nothing: what is taken of it does.
            if target is None or target[1] and path[-1] != "*" or target[0] in (module, root):
                continue
            edge = name(module), name(target[0])
            edges[edge] = min(line, edges.get(edge, line))
            if module.parent is not target[0]:
                counted.add(edge)
    return House(root, folder, edges, counted, rooms)


def _passes_on_own(module: Module, entry) -> bool:
    """Tells whether a `pub use` only shows what lies in a folder of the module itself."""
    if not entry.public:
        return False
    target = resolve(module, entry.path)
    at = target[0] if target else None
    while at is not None and at is not module:
        at = at.parent
    return at is module


def circles(edges: set[tuple[str, str]]) -> list[set[str]]:
    """The strongly connected components of more than one node, the largest first (Tarjan, without recursion)."""
    neighbours = defaultdict(list)
    for a, b in sorted(edges):
        neighbours[a].append(b)
    order, lowest, on_stack, stack, found = {}, {}, set(), [], []
    for start in sorted({node for edge in edges for node in edge}):
        if start in order:
            continue
        work = [(start, iter(neighbours[start]))]
        order[start] = lowest[start] = len(order)
        stack.append(start)
        on_stack.add(start)
        while work:
            node, rest = work[-1]
            for other in rest:
                if other not in order:
                    order[other] = lowest[other] = len(order)
                    stack.append(other)
                    on_stack.add(other)
                    work.append((other, iter(neighbours[other])))
                    break
                if other in on_stack:
                    lowest[node] = min(lowest[node], order[other])
            else:
                work.pop()
                if work:
                    lowest[work[-1][0]] = min(lowest[work[-1][0]], lowest[node])
                if lowest[node] == order[node]:
                    component = set()
                    while node not in component:
                        component.add(stack.pop())
                    on_stack -= component
                    if len(component) > 1:
                        found.append(component)
    return sorted(found, key=lambda component: (-len(component), sorted(component)))


def upwards(built: House, floors: list[set[str]]) -> dict[tuple[str, str], int]:
    """Imports from a floor to a higher one, by file."""
    level = {room: place for place, floor in enumerate(floors) for room in floor}
    return {
        (a, b): line
        for (a, b), line in built.edges.items()
        if level.get(built.rooms[b], 0) < level.get(built.rooms[a], 0)
    }


def objections(built: House, rules: Rules) -> list[str]:
    """Returns what is not as the rules want it."""
    said = []
    rooms = {room for room in built.rooms.values() if room}
    declared = set().union(*rules.floors) if rules.floors else set()
    said += [f"{room} has no floor: give it one" for room in sorted(rooms - declared)]
    said += [f"{room} has a floor, and is not there" for room in sorted(declared - rooms)]
    found = upwards(built, rules.floors)
    for edge in sorted(found.keys() - rules.upwards):
        said.append(f"{edge[0]}:{found[edge]} reaches up to {edge[1]}")
    for edge in sorted(rules.upwards - found.keys()):
        said.append(f"{edge[0]} does not reach up to {edge[1]} any more: take it off the list")
    said += _compared("file", circles(built.counted), rules.circles)
    said += _compared("room", circles(_within_floors(built, rules.floors)), [])
    return said


def _within_floors(built: House, floors: list[set[str]]) -> set[tuple[str, str]]:
    """Returns what rooms of one floor import of each other; what reaches up is told by itself."""
    level = {room: place for place, floor in enumerate(floors) for room in floor}
    return {(a, b) for a, b in built.room_edges() if level.get(a) == level.get(b)}


def _compared(what: str, found: list[set[str]], known: list[set[str]]) -> list[str]:
    said = []
    for circle in found:
        if not any(circle <= listed for listed in known):
            said.append(f"{len(circle)} {what}s import each other: {', '.join(sorted(circle))}")
    for listed in known:
        left = set().union(*(circle for circle in found if circle <= listed))
        if left != listed:
            said.append(f"in no circle any more, take off the list: {', '.join(sorted(listed - left))}")
    return said


def check() -> None:
    """Fails if a file imports what it should not, and if what is known to be wrong has been mended."""
    step("Looking at who imports whom")
    wrong = []
    for rules in CRATES:
        built = house(places.ROOT / rules.root)
        found = circles(built.counted)
        say(
            f"    {rules.root}: {len(built.rooms)} files, {len(built.edges)} imports, {len(found)} circles of"
            f" {sum(map(len, found))} files, {len(upwards(built, rules.floors))} imports upwards"
        )
        wrong += [f"{Path(rules.root).parent}: {text}" for text in objections(built, rules)]
    if wrong:
        raise Failure("the floors of the house (tools/pgai_dev/imports.py):\n  " + "\n  ".join(wrong))
