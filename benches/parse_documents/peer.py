"""Another library's reading of documents, each in a fork of a process that has it loaded.

A line of JSON for each document on the standard input, and one on the standard output. The CPU time is without that of
loading the library, which the parser's has in it.
"""

import contextlib
import importlib.abc
import importlib.machinery
import json
import os
import resource
import signal
import sys
import tempfile
import traceback
import types

# Four times the memory of the parser, and fifteen times its CPU time: none fails for being slow.
MEMORY, CPU_SECONDS = 4 << 30, 300
NOT_ITS = "not of its types"


def markitdown():
    from markitdown import MarkItDown

    converter = MarkItDown()
    kinds = {"pdf", "docx", "pptx", "xlsx", "xls", "html", "epub", "csv", "json", "ipynb", "msg"}
    return kinds, lambda file: converter.convert(file).markdown


def pymupdf4llm():
    import pymupdf4llm

    return {"pdf"}, lambda file: pymupdf4llm.to_markdown(file, show_progress=False)


def pymupdf():
    import pymupdf

    def plain_text(file: str) -> str:
        with pymupdf.open(file) as document:
            return "\n".join(page.get_text() for page in document)

    return {"pdf"}, plain_text


def docling():
    """Without the types that it has LibreOffice read, and without PDF: its models can't be had from a registry of packages."""
    sys.meta_path.append(Absent())
    from docling.datamodel.base_models import InputFormat
    from docling.document_converter import DocumentConverter

    converter = DocumentConverter()
    # All that is loaded late, so that no document pays for it.
    for kind in set(InputFormat) - {InputFormat.PDF, InputFormat.IMAGE}:
        with contextlib.suppress(Exception):
            converter.initialize_pipeline(kind)
    kinds = {"docx", "pptx", "xlsx", "html", "epub", "csv", "eml", "msg", "odt", "ods", "odp", "nxml", "vtt"}
    return kinds, lambda file: converter.convert(file).document.export_to_markdown()


class Absent(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Stands for torch and its kin, gigabytes that docling loads whatever it reads and uses for its models alone."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "torchvision", "transformers", "accelerate"}:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec):
        module = types.ModuleType(spec.name)
        module.__path__ = []
        module.__getattr__ = Anything.__getattr__.__get__(Anything)
        return module

    def exec_module(self, module):
        pass


class Anything(type):
    """A class whose attributes are classes of its kind, and whose instances decorate functions with nothing."""

    def __getattr__(cls, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return Anything(name, (), {"__init__": lambda *_, **__: None, "__call__": lambda self, function=None: function})


READERS = {reader.__name__: reader for reader in (markitdown, pymupdf4llm, pymupdf, docling)}


def read(convert, file: str) -> dict:
    with tempfile.TemporaryFile() as text, tempfile.TemporaryFile() as messages:
        process = os.fork()
        if process == 0:
            become(convert, file, text, messages)
        _, status, used = os.wait4(process, 0)
        code = os.waitstatus_to_exitcode(status)
        text.seek(0)
        messages.seek(0)
        said = messages.read().decode(errors="replace").strip().splitlines()
        return {
            "outcome": "text" if code == 0 else "failed" if code > 0 else f"signal {-code}",
            "text": text.read().decode(errors="replace") if code == 0 else "",
            "problem": said[-1] if said and code else "",
            "cpu_seconds": round(used.ru_utime + used.ru_stime, 3),
            "megabytes": used.ru_maxrss >> 10,
        }


def become(convert, file: str, text, messages) -> None:
    code = 1
    try:
        os.dup2(messages.fileno(), 1)
        os.dup2(messages.fileno(), 2)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 1))
        text.write(convert(file).encode(errors="replace"))
        text.flush()
        code = 0
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(code)


def main() -> None:
    kinds, convert = READERS[sys.argv[1]]()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    for line in sys.stdin:
        given = json.loads(line)
        answer = read(convert, given["file"]) if given["kind"] in kinds else {"outcome": NOT_ITS, "text": "", "problem": ""}
        print(json.dumps(answer), flush=True)


main()
