"""A statement of what was made of which commit, and by what, in the form of SLSA. It is not signed: the forge signs one of its
own of the same files."""

import os

from ..deb import control

BY_HAND = f"{control.HOMEPAGE}/blob/main/CONTRIBUTING.md#releasing"


def compose(sums: dict[str, str], commit: str, tag: str, epoch: int, compiler: str) -> dict:
    """Returns the statement on files, whose SHA-256 are given by name."""
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha256": digest}} for name, digest in sorted(sums.items())],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": f"{control.HOMEPAGE}/blob/main/tools/pgai_dev/release",
                "externalParameters": {"repository": control.HOMEPAGE, "ref": f"refs/tags/{tag}"},
                # Every time in what is built is that of the commit.
                "internalParameters": {"SOURCE_DATE_EPOCH": epoch, "rustc": compiler},
                "resolvedDependencies": [{"uri": f"git+{control.HOMEPAGE}@{tag}", "digest": {"gitCommit": commit}}],
            },
            "runDetails": {"builder": {"id": _builder()}},
        },
    }


def _builder() -> str:
    """Returns the run of the forge's workflow, where it is one."""
    if workflow := os.environ.get("GITHUB_WORKFLOW_REF"):
        return f"{os.environ['GITHUB_SERVER_URL']}/{workflow}"
    return BY_HAND
