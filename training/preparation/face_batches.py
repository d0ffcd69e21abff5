"""Crops the faces in the videos of a batch of rows, on one of many machines."""

import os
from pathlib import Path

import pandas as pd

from ...image_processing import CenterFaceDetector
from ...image_processing import FaceCropper as Cropper
from ...inference.batch_mapper import NO_PATH, BatchMapper, table
from .faces import CROPPED, FAILED, Cropping, Outcome


class FaceCropper(BatchMapper):
    """
    Writes the main face of each video of a batch as a folder of JPEG frames, as `lgi-former prepare faces` does. A
    batch is a dictionary of columns or a `pandas.DataFrame`, so that Ray Data, Spark and `datasets` can call it.

    A folder is written atomically, and written again if a batch is computed again. It has the relative path of its
    video with the suffix, so lists of the videos are also lists of the crops.

    A call adds these columns. One broken video does not stop the others.

    - `crops` (`str`): The path of the folder. Empty if there is none. `VideoPredictor` can read this column.
    - `crops_status` (`str`): "cropped", "no face" or "failed".
    - `crops_people`, `crops_frames` (`int`): Number of people in the video, and of crops.
    - `crops_error` (`str`): Why the video failed, in a sentence. Empty if it did not.

    The face tracker `lgi_former.image_processing.FaceCropper` is another class.

    Args:
        output_dir: Folder to write to, on a disk that all machines share.
        root: Folder of the videos. Paths in a batch are relative to it, or absolute and inside it.
        column: The column with the paths of the videos.
        size: Height and width of the crops in pixels.
        margin: Side of the square, as a multiple of the longer side of the detected face.
        frame_order: Order of the frames of a folder: "natural" or "name".
        align: Rotate and scale the crops so that the eyes are level.
        cuts: Find the hard cuts of a video, and follow nobody over a cut.

    Raises:
        MissingExtraError: From a call, if the extra "faces" is not installed.
    """

    def __init__(
        self,
        output_dir: str | os.PathLike,
        root: str | os.PathLike = ".",
        column: str = "video",
        *,
        size: int = 224,
        margin: float = 1.3,
        frame_order: str = "natural",
        align: bool = True,
        cuts: bool = True,
    ):
        super().__init__(column)
        self.output_dir = os.path.abspath(output_dir)
        self.root = os.path.abspath(root)
        self.size = size
        self.margin = margin
        self.frame_order = frame_order
        self.align = align
        self.cuts = cuts

    def results(self, videos: list[str | None], names: list[str]) -> pd.DataFrame:
        cropper = Cropper(CenterFaceDetector(num_threads=1), margin=self.margin, align=self.align)
        reading = {"frame_order": self.frame_order}
        cropping = Cropping(Path(self.root), Path(self.output_dir), cropper, self.size, reading, self.cuts)
        rows = [self._row(self._outcome(cropping, video)) for video in videos]
        return table(rows, example=self._row(Outcome("", FAILED)))

    def _outcome(self, cropping: Cropping, video: str | None) -> Outcome:
        if video is None:
            return Outcome("", FAILED, reason=NO_PATH)
        path = Path(os.path.abspath(os.path.join(self.root, video)))
        if not path.is_relative_to(self.root) or path == Path(self.root):
            return Outcome(video, FAILED, reason=f"'{video}' is not inside '{self.root}'. Name its folder with root=.")
        return cropping.crop(path.relative_to(self.root).as_posix())

    def _row(self, outcome: Outcome) -> dict:
        return {
            "crops": os.path.join(self.output_dir, outcome.video) if outcome.status == CROPPED else "",
            "crops_status": outcome.status,
            "crops_people": outcome.people,
            "crops_frames": outcome.frames,
            "crops_error": outcome.reason,
        }
