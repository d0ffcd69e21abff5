"""Functions that worker processes run."""

import errno
import os
import time
from pathlib import Path


def die(*task):
    os._exit(1)


def fill_disk(*task):
    raise OSError(errno.ENOSPC, "disk full", "shard-000000.tar")


def sleep(file):
    """Write the process ID to a file, and sleep for 300 seconds."""
    Path(f"{file}.part").write_text(str(os.getpid()))
    os.replace(f"{file}.part", file)
    time.sleep(300)
