"""Names whose look-up does not end, as where no name server answers: the C library's `getaddrinfo`, with another beside it."""

import subprocess
from pathlib import Path

# A look-up of a name of this domain is noted in SILENT_ASKED, and keeps its thread and a socket until SILENT_UNTIL is there.
DOMAIN = "silent.test"

SOURCE = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef int look_up(const char *, const char *, const struct addrinfo *, struct addrinfo **);

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    if (name && strstr(name, "silent.test")) {
        int asked = open(getenv("SILENT_ASKED"), O_WRONLY | O_APPEND | O_CLOEXEC);
        if (asked >= 0 && write(asked, ".", 1) >= 0)
            close(asked);
        int server = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        while (access(getenv("SILENT_UNTIL"), F_OK) != 0)
            usleep(10000);
        if (server >= 0)
            close(server);
        return EAI_AGAIN;
    }
    look_up *real = (look_up *) dlsym(RTLD_NEXT, "getaddrinfo");
    return real(name, service, hints, found);
}
"""


class SilentNames:
    """What a cluster needs in its environment for such names, and the end of their look-ups."""

    def __init__(self, directory: Path):
        directory.chmod(0o755)
        self.library = directory / "silent_names.so"
        self.until = directory / "answer"
        self.asked = directory / "asked"
        self.asked.touch()
        self.asked.chmod(0o666)
        source = directory / "silent_names.c"
        source.write_text(SOURCE)
        subprocess.run(["cc", "-shared", "-fPIC", "-o", self.library, source, "-ldl"], check=True)
        self.library.chmod(0o755)
        self.env = {"LD_PRELOAD": str(self.library), "SILENT_UNTIL": str(self.until), "SILENT_ASKED": str(self.asked)}

    def look_ups(self) -> int:
        """The number of look-ups so far."""
        return self.asked.stat().st_size

    def answer(self) -> None:
        """Ends all look-ups: there is no such name."""
        self.until.touch()
