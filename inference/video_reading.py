"""Reads many videos in processes, and yields what the model needs of them in parts.

A `DataLoader` would raise the error of a killed process at any place in the main process, and would not say which
video the process was reading.
"""

import multiprocessing
import os
import queue
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from typing import Any

import numpy as np
import torch

from ..messages import first_line
from .video_section import video_and_section


PARTS_AHEAD = 2  # of each process, read but not yet sent
VIDEOS_AHEAD = 2  # assigned to each process, so that it does not wait for the next one
SECONDS_TO_STOP = 5.0
STARTING, IDLE = -2, -1  # instead of the number of a video


@dataclass
class Part:
    """Some clips of a video, or its beginning, its end or its error.

    Attributes:
        index (`int`): Position in the list of videos. `read_videos` sets it.
        begins (`bool`): The video is read from its beginning. Earlier parts of this video are void.
        pixel_values (`np.ndarray`, *optional*): float32 (clips, frames, channels, height, width).
        clips (`Sequence`): A description of each clip.
        end (*optional*): Facts about the whole video, in its last part only.
        error (`str`, *optional*): Why the video cannot be read, in a sentence. This part is then the last.
    """

    index: int = -1
    begins: bool = False
    pixel_values: np.ndarray | None = None
    clips: Sequence = ()
    end: Any = None
    error: str | None = None

    @property
    def is_last(self) -> bool:
        """Whether no part of the video follows."""
        return self.end is not None or self.error is not None


Reader = Callable[[Any], Iterator[Part]]
"""Yields the parts of a video. The last part has an `end`. Processes need a reader that can be pickled."""


def read_videos(reader: Reader, videos: Sequence, num_workers: int = 0) -> Iterator[Part]:
    """Yield the parts of all videos. The parts of one video come in order, with parts of other videos between them.

    Errors become parts. A process that is killed, for example because memory ran out, is replaced. The video that it
    was reading gets an error.

    Args:
        num_workers: Processes, started by the default start method of `multiprocessing`. With 0, this process reads.

    Raises:
        ValueError: If processes are to read a video that is not a path.
        RuntimeError: If a process cannot start.
    """
    if num_workers == 0:
        for index, video in enumerate(videos):
            yield from _parts_of(reader, video, index)
        return
    for video, _ in map(video_and_section, videos):
        if not isinstance(video, (str, os.PathLike)):  # pixels could fill a pipe that nobody reads
            raise ValueError(f"Processes read paths, not a {type(video).__name__}. Read it with num_workers=0.")
    todo = deque(range(len(videos)))
    workers = []
    try:
        for _ in range(min(num_workers, len(videos))):
            workers.append(_Worker(reader))
        while todo or any(worker.assigned for worker in workers):
            for ahead in range(1, VIDEOS_AHEAD + 1):  # one video for each process first
                for worker in workers:
                    worker.assign(todo, videos, ahead)
            ready = wait([worker.connection for worker in workers])
            for number, worker in enumerate(workers):
                if worker.connection not in ready:
                    continue
                try:
                    part = worker.receive()
                except (EOFError, OSError):
                    part = worker.bury(todo)
                    workers[number] = _Worker(reader)
                if part is not None:
                    yield part
    finally:
        for worker in workers:
            worker.stop()


def _parts_of(reader: Reader, video, index: int) -> Iterator[Part]:
    yield Part(index, begins=True)
    try:
        for part in reader(video):
            yield replace(part, index=index)
    except Exception as error:  # an error of one video must not stop the others
        yield Part(index, error=first_line(error))


class _Worker:
    """A process that reads one video after the other.

    Attributes:
        connection (`Connection`): Gives the parts.
        assigned (`list[int]`): Numbers of the videos that it has to read, the current one first.
    """

    def __init__(self, reader: Reader):
        context = multiprocessing.get_context()
        self.connection, other_end = context.Pipe()
        self.assigned: list[int] = []
        self._current = context.RawValue("q", STARTING)  # it outlives the process, unlike parts that were not sent
        arguments = (reader, other_end, self._current)
        self._process = context.Process(target=_work, args=arguments, daemon=True)
        self._process.start()
        other_end.close()  # otherwise the death of the process would not close the connection

    def assign(self, todo: deque, videos: Sequence, ahead: int):
        """Send videos until the process has `ahead` of them."""
        while todo and len(self.assigned) < ahead:
            self.assigned.append(todo.popleft())
            try:
                self.connection.send((self.assigned[-1], videos[self.assigned[-1]]))
            except OSError:  # it is dead, and `receive` finds out
                return

    def receive(self) -> Part:
        """The next part. Raises EOFError or OSError if the process is dead."""
        part = self.connection.recv()
        if part.is_last:
            self.assigned.remove(part.index)
        return part

    def bury(self, todo: deque) -> Part | None:
        """Give back the videos of a dead process. The one that it was reading, if any, gets an error."""
        self.stop()
        current, code = self._current.value, self._process.exitcode
        if current == STARTING:
            raise RuntimeError(
                f"A process to read videos ended at its start, with exit code {code}. In a script, predict below "
                "`if __name__ == '__main__':`, or pass num_workers=0."
            )
        todo.extendleft(index for index in reversed(self.assigned) if index != current)
        if current not in self.assigned:
            return None
        how = f"was killed by {signal.Signals(-code).name}" if code and code < 0 else f"ended with exit code {code}"
        return Part(
            current,
            error=f"The process that read this video {how}. If memory ran out, use fewer processes (num_workers).",
        )

    def stop(self):
        """End the process."""
        self._process.terminate()
        self._process.join(SECONDS_TO_STOP)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join()
        self.connection.close()


def _work(reader: Reader, connection: Connection, current):
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process ends its workers
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # removes temporary files
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    parts = queue.Queue(PARTS_AHEAD)
    threading.Thread(target=_send, args=(connection, parts), daemon=True).start()
    current.value = IDLE
    while True:
        index, video = connection.recv()
        current.value = index
        for part in _parts_of(reader, video, index):
            parts.put(part)
        current.value = IDLE


def _send(connection: Connection, parts: queue.Queue):
    while True:
        connection.send(parts.get())


def _exit_with_parent():
    """End this process when the main process is gone, which may have been killed."""
    wait([multiprocessing.parent_process().sentinel])
    os._exit(1)
