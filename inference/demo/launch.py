"""Starting the demo."""

import importlib.util
import os
import signal
import tempfile
from pathlib import Path

from ...hub.loading import is_autoencoder, load_autoencoder, load_classifier
from ...image_processing import FaceCropper
from .answers import Recognition, Reconstruction
from .uploads import MEGABYTE, UploadLimits


class DemoExtraMissingError(ImportError):
    """There is no Gradio. The message says how to go on."""


def launch_demo(
    model_name_or_path: str,
    limits: UploadLimits | None = None,
    device: str | None = None,
    host: str | None = None,
    port: int | None = None,
    share: bool = False,
):
    """Serve the demo of a model until the process is interrupted.

    Uploads are kept in a temporary folder of this process's own, which goes with it.

    Args:
        model_name_or_path: Directory or Hub repository of a fine-tuned classifier or a pre-trained LGI-Former.
        limits: Of uploads; 100 MB and 60 seconds by default.
        device: As for `load_classifier`.
        host: Address to listen on. By default what `GRADIO_SERVER_NAME` says, as it does on Spaces, else 127.0.0.1.
        port: By default the first free one from 7860 on.
        share: Let Gradio make a public address for it, through its makers' servers.

    Raises:
        DemoExtraMissingError: If `pip install "lgi-former[demo]"` was not done.
        FacesExtraMissingError: Likewise, if what finds faces is missing.
        OSError, ValueError: If the model cannot be loaded, or the port is taken.
        RuntimeError: If there is no such device.
    """
    if importlib.util.find_spec("gradio") is None:
        raise DemoExtraMissingError('The demo needs Gradio, which is not installed: pip install "lgi-former[demo]"')
    demo = load_demo(model_name_or_path, limits or UploadLimits(), device)
    _serve(demo, model_name_or_path, host, port, share)


def load_demo(
    model_name_or_path: str, limits: UploadLimits, device: str | None = None, face_cropper: FaceCropper | None = None
) -> Recognition | Reconstruction:
    """What answers for a model: a classifier recognises, a masked autoencoder reconstructs.

    Raises:
        FacesExtraMissingError, OSError, ValueError, RuntimeError: As for `launch_demo`.
    """
    face_cropper = face_cropper or FaceCropper()
    if is_autoencoder(model_name_or_path):
        return Reconstruction(*load_autoencoder(model_name_or_path, device), limits, face_cropper)
    return Recognition(*load_classifier(model_name_or_path, device), limits, face_cropper)


def _serve(demo: Recognition | Reconstruction, model_name: str, host: str | None, port: int | None, share: bool):
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that uploads go then, too, as after Ctrl-C
    with tempfile.TemporaryDirectory(prefix="lgi-former-demo-") as uploads:
        # Gradio reads both when it is imported or a page is built.
        os.environ.update(GRADIO_TEMP_DIR=uploads, GRADIO_ANALYTICS_ENABLED="False")
        import gradio as gr

        from .page import build_page

        page = build_page(demo, Path(model_name).name if os.path.isdir(model_name) else model_name)
        page.launch(
            server_name=host,
            server_port=port,
            share=share,
            max_file_size=f"{demo.limits.max_megabytes * MEGABYTE:.0f}b",
            theme=gr.themes.Default(font="system-ui", font_mono="monospace"),
            footer_links=[],
            run_history=False,  # else browsers keep what was uploaded and answered
            ssr_mode=False,  # else a Node.js server is started where there is one
        )
