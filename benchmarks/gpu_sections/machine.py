"""Facts about the machine and the versions, without importing torch."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

from .importable import CHECKOUT


PACKAGES = ("torch", "triton", "torchvision", "transformers", "accelerate", "av", "simplejpeg", "datasets", "evaluate")


def facts(commit: str | None, rehearse: bool) -> dict[str, str]:
    """GPU, processor, versions of packages and commit, by name. The default commit comes from git."""
    found = {
        "GPU": _output(["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"])
        or "none",
        "processor": f"{processor_name()}, {len(os.sched_getaffinity(0))} threads",
        "versions": f"Python {platform.python_version()}, {', '.join(map(_version, PACKAGES))}",
        "commit": commit or _output(["git", "-C", str(CHECKOUT), "rev-parse", "--short=12", "HEAD"]) or "unknown",
    }
    if rehearse:
        found["rehearsal"] = "tiny models; the figures have no meaning"
    return found


def _output(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def processor_name() -> str:
    """The model of the processor."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _version(package):
    try:
        return f"{package} {importlib.metadata.version(package)}"
    except importlib.metadata.PackageNotFoundError:
        return f"no {package}"
