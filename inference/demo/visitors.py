"""Who waits for an answer, and who sent which upload."""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator


class NotAnsweredError(Exception):
    """An upload has no answer. The message says why, in a sentence for the user of the page."""


class Visitors:
    """The users of a page. Its functions and the `Gate` in front of it share this object.

    Gradio stores equal files once. So an upload may have several senders, and it is needed until all have an answer.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self._left: dict[str, threading.Event] = {}
        self._senders: dict[str, list[str | None]] = {}

    @contextlib.contextmanager
    def presence(self, session: str | None) -> Iterator[Callable[[float], None]]:
        """In this context, a session waits for its answer. The answer calls the yielded function for each frame.

        Gradio cannot end a function that runs, so the function has to ask.

        Args:
            session: The session of the request. None if it has none, so that it cannot leave.

        Raises:
            NotAnsweredError: By the yielded function, if the session has left.
        """
        left = threading.Event()

        def check(seconds: float):
            if left.is_set():
                raise NotAnsweredError("The page was closed before the answer was complete.")

        if session is not None:
            self._left[session] = left
        try:
            yield check
        finally:
            self._left.pop(session, None)

    def leave(self, session: str):
        """End the answer that a session waits for, if any."""
        left = self._left.get(session)
        if left is not None:
            left.set()

    def sent(self, upload: str, address: str | None):
        """Note the address that sent an upload; None for this machine."""
        with self._lock:
            self._senders.setdefault(upload, []).append(address)

    def forget_deleted(self):
        """Forget the senders of uploads that were deleted, with or without an answer."""
        with self._lock:
            self._senders = {path: senders for path, senders in self._senders.items() if os.path.exists(path)}

    def num_unanswered(self, address: str) -> int:
        """The number of uploads of an address that have no answer yet."""
        with self._lock:
            return sum(senders.count(address) for senders in self._senders.values())

    def answered(self, upload: str) -> bool:
        """Note that a sender of an upload got an answer. Returns whether nobody else waits for one."""
        with self._lock:
            senders = self._senders.get(upload, [])
            if len(senders) > 1:
                senders.pop(0)
                return False
            self._senders.pop(upload, None)
            return True
