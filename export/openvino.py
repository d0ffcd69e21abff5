"""OpenVINO's format of an exported model, written from its ONNX program."""

from pathlib import Path

from ..extras import needs_extra
from ..hub.exported_folder import PROGRAMS


def convert_to_openvino(folder: Path):
    """Replace `model.onnx` in a folder by `openvino_model.xml` and `openvino_model.bin`. Weights stay as they are.

    OpenVINO's reader of ONNX is used because its converter of torch programs reports usage to its makers.

    Raises:
        MissingExtraError: If openvino is not installed.
    """
    with needs_extra("openvino"):
        import openvino
    model = openvino.Core().read_model(folder / PROGRAMS["onnx"])
    openvino.save_model(model, folder / PROGRAMS["openvino"], compress_to_fp16=False)
    for path in folder.glob(f"{PROGRAMS['onnx']}*"):
        path.unlink()
