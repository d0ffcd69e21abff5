"""Sources of live video: cameras, addresses of networks, files that grow, and pipes."""

import contextlib
import io
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

from ..image_processing.decoding.frame_clock import FrameClock
from ..image_processing.decoding.frame_stream import TimedFrame
from ..image_processing.decoding.pyav_decoding import SameSize, decoded_frames
from ..image_processing.decoding.video_packets import VideoPackets
from ..image_processing.decoding.video_sources import (
    VideoReadError,
    is_file_url,
    path_of_file_url,
    without_passwords,
)
from ..image_processing.decoding.video_streams import video_stream


PIPE = "-"
CAMERAS = {"linux": "v4l2", "darwin": "avfoundation", "win32": "dshow"}
"""FFmpeg's input format of cameras by `sys.platform`."""

NETWORK = {
    "rtsp": {"rtsp_flags": "prefer_tcp"},  # UDP loses packets
    "rtsps": {},
    "udp": {"overrun_nonfatal": "1"},  # a slow machine loses packets, but does not end
    "rtp": {},
    "srt": {},
    "tcp": {},
    "rtmp": {},
    "http": {},
    "https": {},
}
"""Options of FFmpeg by the type of an address."""

PAUSE = 0.02  # seconds between two looks at a file that grows


class LiveSource:
    """A source of live video.

    Args:
        name: A camera (a number, `/dev/video0`, or `video=NAME` on Windows), an address such as `rtsp://` or `udp://`,
            a file that may still grow, or `-` for stdin.
        timeout: Seconds after which a file that does not grow has ended. Opening and reading of other sources fails
            after so many seconds without data.

    Attributes:
        name (`str`): The name for messages, without a password.
        notes (`list[str]`): Sentences about unusual frames. The list is complete after the last frame.

    Raises:
        ValueError: If `name` is not such a source.
    """

    def __init__(self, name: str, timeout: float):
        self.name = without_passwords(name)
        self.notes = []
        self._timeout = timeout
        self._file, self._format, self._options = name, None, {}
        scheme = re.match(r"([a-z][a-z0-9+.-]+)://", name, re.IGNORECASE)
        if name == PIPE:
            self._kind = "pipe"
        elif _is_camera(name):
            self._kind = "camera"
            self._file, self._format, self._options = _camera(name)
        elif scheme and not is_file_url(name):
            self._kind = "network"
            if scheme[1].lower() not in NETWORK:
                raise VideoReadError(f"'{name}' is an address of an unknown type. Use {', '.join(NETWORK)}.")
            self._options = NETWORK[scheme[1].lower()]
        else:
            self._file = path_of_file_url(name) if is_file_url(name) else Path(name)
            self._kind = _kind_of_file(self._file)

    @property
    def longest_silence(self) -> float:
        """Seconds without a frame after which the source is lost. Reading of a camera or pipe may never return."""
        return self._timeout if self._kind in ("camera", "pipe") else 2 * self._timeout + 5

    def frames(self) -> Iterator[TimedFrame]:
        """Open the source and yield its frames. Times count from the first frame.

        Raises:
            VideoReadError: If the source cannot be opened, or ends by an error.
        """
        with contextlib.ExitStack() as stack:
            container = self._opened(stack)
            try:
                stream = video_stream(container)
            except ValueError as error:
                raise self._error("cannot be used", error) from error
            stream.codec_context.thread_type = "SLICE"  # threads of frames would add a delay
            packets = VideoPackets(stream)
            yield from self._decoded(packets)
            if packets.error is not None:
                raise self._error("is lost", packets.error) from packets.error

    def _opened(self, stack: contextlib.ExitStack):
        import av  # only when needed: its FFmpeg libraries are a second copy beside those of decord

        try:
            file, limits = self._file, (self._timeout, self._timeout)
            if self._kind == "pipe":
                # A read returns the bytes that have arrived. It does not wait for a full buffer.
                is_stdin = self._file == PIPE
                raw = stack.enter_context(io.FileIO(0 if is_stdin else self._file, closefd=not is_stdin))
                file, limits = SimpleNamespace(read=raw.read), None
            elif self._kind == "file":
                file, limits = stack.enter_context(_GrowingFile(self._file, self._timeout)), None
            return stack.enter_context(av.open(file, format=self._format, options=self._options, timeout=limits))
        except Exception as error:  # PyAV has an exception for every error number of FFmpeg
            raise self._error("cannot be opened", error) from error

    def _decoded(self, packets: VideoPackets) -> Iterator[TimedFrame]:
        stream = packets.stream
        clock, same_size, num_damaged = FrameClock(packets), SameSize(stream), 0
        try:
            for index, frame in enumerate(decoded_frames(packets)):
                num_damaged += bool(frame.is_corrupt)
                timed = TimedFrame(index, clock.time(frame), same_size.see(frame))
                timed.duration = clock.duration(frame)
                yield timed
        except ValueError as error:
            raise self._error("cannot be decoded", packets.error or error) from error
        finally:
            damaged = f"had {num_damaged} damaged frames. The decoder repaired them." if num_damaged else None
            self.notes += [f"'{self.name}' {note}" for note in (same_size.note, clock.note, damaged) if note]

    def _error(self, problem: str, error: Exception) -> VideoReadError:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        is_empty = self._kind == "file" and self._file.stat().st_size == 0
        if is_empty or type(error).__name__ == "ExitError":  # of PyAV, when its time is over
            reason = f"it gave nothing for {self._timeout:g} seconds"
        return VideoReadError(f"'{self.name}' {problem}: {reason}. {self._advice(error)}")

    def _advice(self, error: Exception) -> str:
        if self._kind == "camera" and isinstance(error, PermissionError):
            return "Add yourself to the group that owns the camera, or close the program that uses it."
        if self._kind == "camera":
            return "Check that the camera is connected and that no other program uses it."
        if self._kind == "network":
            return "Check the address, and that its sender runs."
        return "A file that grows and a pipe must be MPEG-TS, Matroska, FLV, or MP4 in fragments."


class _GrowingFile:
    """A file that another program may still write. It ends if it does not grow for `timeout` seconds."""

    def __init__(self, path: Path, timeout: float):
        self._file = path.open("rb", buffering=0)
        self._timeout = timeout
        if _ends_with_index(self._file):
            self.seek, self.tell = self._file.seek, self._file.tell  # otherwise MP4 ends with its first fragment

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._file.close()

    def read(self, size: int) -> bytes:
        """The next bytes, at most `size`. Waits for them. Empty if there are none for `timeout` seconds."""
        deadline = time.monotonic() + self._timeout
        while not (data := self._file.read(size)) and time.monotonic() < deadline:
            time.sleep(PAUSE)
        return data


def _ends_with_index(file: io.FileIO) -> bool:
    """Whether a file is an MP4 file that can be read only when it is complete, from its end."""
    head = file.read(65536)
    file.seek(0)
    return head[4:8] == b"ftyp" and b"mdat" in head and b"moov" not in head.partition(b"mdat")[0]


def _is_camera(name: str) -> bool:
    return name.isdecimal() or name.startswith(("/dev/video", "video=")) or Path(name).is_char_device()


def _camera(name: str) -> tuple[str, str, dict[str, str]]:
    """The file, format and options of a camera for FFmpeg.

    Raises:
        ValueError: If cameras cannot be read on this platform, or have other names there.
    """
    if sys.platform not in CAMERAS:
        raise VideoReadError(f"Cameras cannot be read on the platform {sys.platform}. Send the video with udp://.")
    if sys.platform == "linux" and not name.startswith("video="):
        return f"/dev/video{name}" if name.isdecimal() else name, CAMERAS["linux"], {}
    if sys.platform == "darwin" and name.isdecimal():
        return name, CAMERAS["darwin"], {"framerate": "30"}  # most cameras refuse FFmpeg's default
    if sys.platform == "win32" and name.startswith("video="):
        return name, CAMERAS["win32"], {}
    names = {"linux": "0 or /dev/video0", "darwin": "0", "win32": "video=NAME, with the name of the camera"}
    raise VideoReadError(f"'{name}' is no camera of this platform. Write {names[sys.platform]}.")


def _kind_of_file(path: Path) -> str:
    """
    Raises:
        VideoReadError: If there is neither a file nor a pipe.
    """
    if not path.exists():
        raise VideoReadError(f"There is no file '{path}'. Check the path, or begin to write the file first.")
    if path.is_dir() or path.is_socket():
        raise VideoReadError(f"'{path}' is a folder or a socket. Give a file, a pipe, a camera or an address.")
    return "pipe" if path.is_fifo() else "file"
