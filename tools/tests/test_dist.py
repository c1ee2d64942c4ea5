"""What PGXN is told of us is true."""

import json

from pgai_dev import package, places

META = json.loads((places.ROOT / "META.json").read_text())


def test_versions_and_files_are_ours():
    assert META["version"] == package.version()
    [(name, provided)] = META["provides"].items()
    assert name == META["name"] == "pgai_rs"
    assert provided["version"] == package.version()
    assert all((places.ROOT / provided[kind]).is_file() for kind in ("file", "docfile"))


def test_what_the_specification_wants_is_there():
    required = {"name", "version", "abstract", "maintainer", "license", "provides", "meta-spec"}
    assert required <= META.keys()
    assert META["license"] == "postgresql"
    assert META["meta-spec"]["version"] == "1.0.0"
    assert {"embeddings", "vector search", "RAG", "S3", "pgvector"} <= set(META["tags"])
    assert all(0 < len(tag) < 256 and "/" not in tag for tag in META["tags"])
