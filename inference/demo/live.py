"""Answers of the demo to the pictures of a camera in a browser."""

import threading
import time

import numpy as np

from ...image_processing.decoding.frame_stream import TimedFrame
from ...messages import first_line
from ..live_frames import LiveFrames, NoMoreFramesError
from ..live_recognition import LiveRecognition
from ..pipeline import FacialExpressionPipeline
from ..timeline import NO_FACE_NOTE


MAX_CAMERAS = 2  # at the same time; each one has its threads
PAUSE = 2.0  # seconds without a picture after which a camera begins anew
LARGEST_SIDE = 4096  # pixels of a picture
SHOWN_SECONDS = 5.0  # for which the scores of a person are shown


class Camera:
    """The pictures of one camera, and the newest window of each person. Two threads compute it.

    Args:
        recognise: The pipeline.
        crop_faces: Find and follow faces.

    Attributes:
        settings (`tuple`): Settings and size of the pictures. Other ones need another camera.
    """

    def __init__(self, recognise: FacialExpressionPipeline, crop_faces: bool, shape: tuple[int, ...]):
        self.settings = crop_faces, shape
        self._frames = LiveFrames(timeout=PAUSE)
        self._recognition = LiveRecognition(recognise, self._frames, crop_faces=crop_faces, show_progress=False)
        self._newest = {}
        self._problem = None
        self._began = self._latest = time.monotonic()
        self._count = 0
        threading.Thread(target=self._recognise, daemon=True).start()

    @property
    def seconds(self) -> float:
        """Seconds from the first picture to the latest one."""
        return self._latest - self._began

    @property
    def is_idle(self) -> bool:
        """Whether the latest picture is so long ago that the next one begins another camera."""
        return time.monotonic() - self._latest > PAUSE

    def add(self, picture: np.ndarray):
        """Add a picture, uint8 RGB (height, width, 3). It is not stored longer than a window needs it."""
        self._latest = time.monotonic()
        try:
            self._frames.put(TimedFrame(self._count, self.seconds, lambda: picture))
        except NoMoreFramesError:
            return
        self._count += 1

    def newest(self) -> list[dict]:
        """The newest window of each person who was seen lately."""
        newest = self._newest.copy()
        shown = [entry for entry in newest.values() if entry["end"] > self.seconds - SHOWN_SECONDS]
        return sorted(shown, key=lambda entry: entry["person"])

    def note(self) -> str:
        """What happens, in sentences."""
        if self._problem is not None:
            return f"No answer. {self._problem}"
        if not self.newest():
            return "Waiting for the first window." if self.seconds < 2 * SHOWN_SECONDS else NO_FACE_NOTE
        median, _ = self._recognition.delays
        sentences = [f"Scores follow the picture by {median:.1f} seconds."]
        if self._recognition.num_dropped or self._frames.skipped:
            sentences.append(f"This machine is too slow: {self._recognition.num_dropped} windows were dropped.")
        return " ".join(sentences)

    def close(self):
        """End the threads."""
        self._frames.close()

    def _recognise(self):
        try:
            for entry in self._recognition:
                self._newest = {**self._newest, entry["person"]: entry}
        except TimeoutError:
            pass  # the camera has stopped
        except Exception as error:  # the user of the page needs a message for every error
            self._problem = first_line(error)


class Cameras:
    """The cameras of all browsers.

    Args:
        recognise: The pipeline.
        max_seconds: Longest time of a camera.
    """

    def __init__(self, recognise: FacialExpressionPipeline, max_seconds: float):
        self._recognise, self._max_seconds = recognise, max_seconds
        self._cameras = {}
        self._ended = {}  # the time of the latest picture of each browser whose camera is past its limit
        self._lock = threading.Lock()

    def __call__(self, browser: str, picture: np.ndarray, crop_faces: bool) -> tuple[str, list[dict]]:
        """Add a picture of a browser. Returns a note, and the newest window of each person as an entry.

        Args:
            browser: Any name of the browser.
            picture: uint8 RGB (height, width, 3).
            crop_faces: Find and follow faces.
        """
        height, width = picture.shape[:2]
        if max(height, width) > LARGEST_SIDE:
            return f"The picture has {width} x {height} pixels. Choose a camera of at most {LARGEST_SIDE}.", []
        with self._lock:
            if self._has_ended(browser):
                return self._limit_is_reached(), []
            camera = self._camera(browser, crop_faces, picture.shape)
            if camera is None:
                return f"{MAX_CAMERAS} cameras are in use. Wait until one of them ends, then start yours again.", []
            camera.add(picture)
            if camera.seconds > self._max_seconds:  # its place is free, also if the browser goes on sending
                self._cameras.pop(browser).close()
                self._ended[browser] = time.monotonic()
                return self._limit_is_reached(), []
        return camera.note(), camera.newest()

    def _limit_is_reached(self) -> str:
        return f"The limit of {self._max_seconds:g} seconds is reached. Stop the camera, then start it again."

    def _has_ended(self, browser: str) -> bool:
        """Whether the camera of a browser is past its limit, and the browser has not paused since."""
        now = time.monotonic()
        self._ended = {name: latest for name, latest in self._ended.items() if now - latest <= PAUSE}
        if browser in self._ended:
            self._ended[browser] = now
        return browser in self._ended

    def _camera(self, browser: str, crop_faces: bool, shape: tuple[int, ...]) -> Camera | None:
        """The camera of a browser. None if there are too many."""
        for name, other in list(self._cameras.items()):
            if other.is_idle or (name == browser and other.settings != (crop_faces, shape)):
                other.close()
                del self._cameras[name]
        if browser not in self._cameras and len(self._cameras) < MAX_CAMERAS:
            self._cameras[browser] = Camera(self._recognise, crop_faces, shape)
        return self._cameras.get(browser)
