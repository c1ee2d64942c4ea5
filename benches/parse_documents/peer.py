"""Another library's reading of documents, each in a fork of a process that has it loaded: markitdown or pymupdf4llm.

A line of JSON for each document on the standard input, and one on the standard output. The CPU time is without that of
loading the library, which the parser's has in it.
"""

import json
import os
import resource
import signal
import sys
import tempfile
import traceback

# Four times the memory of the parser, and three times its CPU time.
MEMORY, CPU_SECONDS = 4 << 30, 60
NOT_ITS = "not of its types"


def markitdown():
    from markitdown import MarkItDown

    converter = MarkItDown()
    kinds = {"pdf", "docx", "pptx", "xlsx", "xls", "html", "epub", "csv", "json", "ipynb", "msg"}
    return kinds, lambda file: converter.convert(file).markdown


def pymupdf4llm():
    import pymupdf4llm

    return {"pdf"}, lambda file: pymupdf4llm.to_markdown(file, show_progress=False)


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
    kinds, convert = {"markitdown": markitdown, "pymupdf4llm": pymupdf4llm}[sys.argv[1]]()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    for line in sys.stdin:
        given = json.loads(line)
        answer = read(convert, given["file"]) if given["kind"] in kinds else {"outcome": NOT_ITS, "text": "", "problem": ""}
        print(json.dumps(answer), flush=True)


main()
