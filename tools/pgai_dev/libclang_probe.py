"""Loads a libclang in a process of its own and reads a header with it; says on its output what fails.

    libclang_probe.py LIBRARY HEADER [FLAG …]
"""

import ctypes
import sys

# bindgen asks for functions that came with version 9.
OLDEST = 9
ERROR = 3


class CXString(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("flags", ctypes.c_uint)]


def main(library: str, header: str, flags: list[str]) -> None:
    clang = ctypes.CDLL(library)
    for name in ("clang_createIndex", "clang_getClangVersion", "clang_parseTranslationUnit"):
        if not hasattr(clang, name):
            sys.exit(f"it has no {name}, so it is not libclang")
    clang.clang_createIndex.restype = ctypes.c_void_p
    clang.clang_parseTranslationUnit.restype = ctypes.c_void_p
    clang.clang_parseTranslationUnit.argtypes = [
        *(ctypes.c_void_p, ctypes.c_char_p, ctypes.POINTER(ctypes.c_char_p), ctypes.c_int),
        *(ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint),
    ]
    clang.clang_getDiagnostic.restype = ctypes.c_void_p
    clang.clang_getDiagnostic.argtypes = [ctypes.c_void_p, ctypes.c_uint]
    clang.clang_getNumDiagnostics.argtypes = [ctypes.c_void_p]
    clang.clang_getDiagnosticSeverity.argtypes = [ctypes.c_void_p]
    for name, arguments in {
        "clang_getClangVersion": [],
        "clang_formatDiagnostic": [ctypes.c_void_p, ctypes.c_uint],
    }.items():
        getattr(clang, name).restype = CXString
        getattr(clang, name).argtypes = arguments
    clang.clang_getCString.restype = ctypes.c_char_p
    clang.clang_getCString.argtypes = [CXString]

    version = clang.clang_getCString(clang.clang_getClangVersion()).decode()
    number = next((int(word.partition(".")[0]) for word in version.split() if word[:1].isdigit()), 0)
    if number < OLDEST:
        sys.exit(f"it is {version}; bindgen wants {OLDEST} or newer")

    words = (ctypes.c_char_p * len(flags))(*(flag.encode() for flag in flags))
    index = clang.clang_createIndex(0, 0)
    unit = clang.clang_parseTranslationUnit(index, header.encode(), words, len(flags), None, 0, 0)
    if not unit:
        sys.exit(f"it cannot read {header}")
    for number in range(clang.clang_getNumDiagnostics(unit)):
        diagnostic = clang.clang_getDiagnostic(unit, number)
        if clang.clang_getDiagnosticSeverity(diagnostic) >= ERROR:
            sys.exit(clang.clang_getCString(clang.clang_formatDiagnostic(diagnostic, 1)).decode())


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2], sys.argv[3:])
    except OSError as error:
        sys.exit(str(error))
