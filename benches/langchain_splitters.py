"""LangChain's splitters on texts that are given: run by chunking.py in the environment where pgai is.

    python langchain_splitters.py ORDER.json
"""

import hashlib
import importlib.metadata
import json
import sys
import time
from pathlib import Path

from langchain_text_splitters import CharacterTextSplitter, RecursiveCharacterTextSplitter

# pgai's defaults.
SEPARATORS = ["\n\n", "\n", ".", "?", "!", " ", ""]


def main() -> None:
    order = json.loads(Path(sys.argv[1]).read_text())
    cases = [measure(splitter(*case), order["texts"], order["times"]) for case in order["cases"]]
    print(json.dumps({"version": importlib.metadata.version("langchain-text-splitters"), "cases": cases}))


def splitter(kind: str, size: int, overlap: int):
    """As pgai's chunkers make them."""
    if kind == "recursive":
        return RecursiveCharacterTextSplitter(separators=SEPARATORS, chunk_size=size, chunk_overlap=overlap)
    return CharacterTextSplitter(separator="\n\n", chunk_size=size, chunk_overlap=overlap)


def measure(made, texts: list[str], times: int) -> tuple[float, int, str]:
    """Returns the least CPU seconds that splitting all texts took, the number of chunks, and their digest."""
    taken = []
    for _ in range(times):
        before = time.process_time()
        chunks = [made.split_text(text) for text in texts]
        taken.append(time.process_time() - before)
    return min(taken), sum(map(len, chunks)), digest_of(chunks)


def digest_of(chunks: list[list[str]]) -> str:
    digest = hashlib.sha256()
    for number, of_a_text in enumerate(chunks):
        for chunk in of_a_text:
            digest.update(f"{number}:{len(chunk)}:{chunk}".encode())
    return digest.hexdigest()


main()
