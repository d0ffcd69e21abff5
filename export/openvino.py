"""OpenVINO's format of an exported model, written from its ONNX program."""

from pathlib import Path

from ..extras import needs_extra


def convert_to_openvino(folder: Path):
    """Replace `model.onnx` in a folder by `openvino_model.xml` and `openvino_model.bin`. Weights stay as they are.

    OpenVINO's reader of ONNX is used because its converter of torch programs reports usage to its makers.

    Raises:
        MissingExtraError: If openvino is not installed.
    """
    with needs_extra("openvino"):
        import openvino
    program = folder / "model.onnx"
    model = openvino.Core().read_model(program)
    openvino.save_model(model, folder / "openvino_model.xml", compress_to_fp16=False)
    for path in folder.glob("model.onnx*"):
        path.unlink()
