"""Runs Python code in forks, which start at once: `python forks.py PREPARATION < CODES`, codes as a JSON list.

Prints for each code its output and its error, as JSON.
"""

import contextlib
import gc
import io
import json
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor


def outcome(code):
    """Output and error of a code. The error is None if there is none."""
    output = io.StringIO()
    try:
        with contextlib.redirect_stdout(output):
            exec(code, {"__name__": "__main__"})
    except Exception as error:
        return output.getvalue(), f"{type(error).__name__}: {error}"
    return output.getvalue(), None


if __name__ == "__main__":
    exec(sys.argv[1])
    gc.freeze()  # garbage collections of the forks need not read these objects
    outcomes = []
    for code in json.load(sys.stdin):
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
            outcomes.append(pool.submit(outcome, code).result())
    print(json.dumps(outcomes))
