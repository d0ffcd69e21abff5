"""Loads a model and serves the demo."""

import os
import signal
import tempfile
from pathlib import Path

from ...extras import needs_extra, require_extra
from ...hub.loading import is_autoencoder, load_autoencoder, pinned
from ...hub.model_names import with_revision
from ...image_processing import FaceCropper
from ..loading import load_classifier
from .answers import Recognition, Reconstruction
from .uploads import MEGABYTE, UploadLimits


def launch_demo(
    model_name_or_path: str,
    limits: UploadLimits | None = None,
    device: str | None = None,
    host: str | None = None,
    port: int | None = None,
    share: bool = False,
):
    """Serve the demo of a model until the process is interrupted.

    Uploads are in a temporary folder of this process. The folder is deleted at the end.

    Args:
        model_name_or_path: Directory or Hub repository (`owner/name`, `owner/name@revision`) of a fine-tuned
            classifier or a pre-trained LGI-Former, or the directory of an exported classifier.
        limits: Limits of uploads. The default is 100 MB and 60 seconds.
        device: As for `load_classifier`.
        host: Address to listen on. The default is that of the variable `GRADIO_SERVER_NAME`, which Spaces set, else
            127.0.0.1.
        port: The default is the first free port from 7860 on.
        share: Create a public address through Gradio's servers.

    Raises:
        MissingExtraError: If `pip install "lgi-former[demo]"` was not done.
        OSError, ValueError: If the model cannot be loaded, or the port is in use.
        RuntimeError: If there is no such device.
    """
    require_extra("demo")
    demo = load_demo(model_name_or_path, limits or UploadLimits(), device)
    _serve(demo, model_name_or_path, host, port, share)


def load_demo(
    model_name_or_path: str, limits: UploadLimits, device: str | None = None, face_cropper: FaceCropper | None = None
) -> Recognition | Reconstruction:
    """Load a model for the demo: `Recognition` for a classifier, `Reconstruction` for a masked autoencoder.

    Raises:
        OSError, ValueError, RuntimeError: As for `launch_demo`.
        FacesExtraMissingError: If the extra `faces` is not installed.
    """
    face_cropper = face_cropper or FaceCropper()
    model = with_revision(*pinned(model_name_or_path))  # with its commit, so that the Hub is asked once
    if is_autoencoder(model):
        return Reconstruction(*load_autoencoder(model, device), limits, face_cropper)
    return Recognition(*load_classifier(model, device), limits, face_cropper)


def _serve(demo: Recognition | Reconstruction, model_name: str, host: str | None, port: int | None, share: bool):
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does, which deletes the uploads
    with tempfile.TemporaryDirectory(prefix="lgi-former-demo-") as uploads:
        # Gradio reads both variables when it is imported or a page is built.
        os.environ.update(GRADIO_TEMP_DIR=uploads, GRADIO_ANALYTICS_ENABLED="False")
        with needs_extra("demo"):
            import gradio as gr

            from .gate import behind_gate
            from .markup import STYLE, STYLE_OF_PHONES
            from .page import build_page
            from .visitors import Visitors

        shown_name = Path(model_name).name if os.path.isdir(model_name) else model_name
        visitors = Visitors()
        page = build_page(demo, shown_name, visitors)
        page.launch(
            server_name=host,
            server_port=port,
            share=share,
            max_file_size=f"{demo.limits.max_megabytes * MEGABYTE:.0f}b",
            # Gradio's grey text has too little contrast on white.
            theme=gr.themes.Default(font="system-ui", font_mono="monospace").set(
                body_text_color_subdued="*neutral_500"
            ),
            css=STYLE,
            head=STYLE_OF_PHONES,
            app_kwargs=behind_gate(demo.limits, uploads, shown_name, visitors),
            footer_links=[],
            run_history=False,  # otherwise browsers store uploads and answers
            ssr_mode=False,  # otherwise Gradio starts a Node.js server if Node.js is installed
        )
