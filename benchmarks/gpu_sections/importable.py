"""Makes `lgi_former` importable from a checkout that is not installed. The checkout's folder may have any name."""

import atexit
import importlib.util
import os
import shutil
import sys
import tempfile
from pathlib import Path


CHECKOUT = Path(__file__).resolve().parents[2]


def make_importable():
    """Put the checkout on the import path as `lgi_former`, for this process and its children.

    A symbolic link in a temporary folder does this. If `lgi_former` is already this checkout, nothing happens.
    """
    found = importlib.util.find_spec("lgi_former")
    if found is not None and found.origin and Path(found.origin).resolve().parent == CHECKOUT:
        return
    folder = tempfile.mkdtemp(prefix="lgi_former_")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.symlink(CHECKOUT, os.path.join(folder, "lgi_former"), target_is_directory=True)
    sys.path.insert(0, folder)
    importlib.invalidate_caches()
    others = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = folder if not others else os.pathsep.join([folder, others])
