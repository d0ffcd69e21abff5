"""The page of the demo. It loads nothing from other servers: no fonts, no scripts, no statistics."""

import contextlib
import os
from collections.abc import Callable, Iterator

import gradio as gr
import numpy as np

from ..window_settings import seconds_between_frames
from .answers import Recognition, RecognitionAnswer, Reconstruction, ReconstructionAnswer, as_markdown
from .example import write_example
from .live import Cameras
from .markup import live_scores, picture, picture_address, player, timeline_and_scores
from .uploads import deleted_after_answer
from .visitors import NotAnsweredError, Visitors


WITH_CARE = (
    "**Use with care.** Whether emotions can be read from faces is "
    "[contested](https://doi.org/10.1177/1529100619832930). {meaning}Do not use it for decisions about people. In the "
    "European Union, inferring emotions at work and in education is prohibited with few exceptions (AI Act, "
    "Article 5)."
)
SECONDS_OF_ABANDONED_UPLOADS = 30 * 60  # longer than the longest queue takes, because its uploads are still needed
SECONDS_BETWEEN_DELETIONS = 60
LONGEST_QUEUE = 10
FRAMES_OF_RECONSTRUCTION = "Original, visible and reconstructed frames"
QUEUE = "answers"  # buttons and API wait in one queue, so that one video is answered at a time
HEIGHT_OF_PROGRESS = 120  # pixels
MAX_SECONDS_BETWEEN_PICTURES = 0.1  # of the camera
ABOUT_CAMERA = "Start your camera. The scores of the newest window appear here. Pictures are not stored."
Asker = gr.Request | None
"""Who asks. Gradio passes an argument of this type. Calls in Python may leave it out."""

NO_UPLOAD = None  # empties the input after the answer, because its file is deleted


def build_page(demo: Recognition | Reconstruction, model_name: str, visitors: Visitors | None = None) -> gr.Blocks:
    """Build the page, its API endpoint and their queue, which answers one video at a time.

    Args:
        demo: Answers to a video. It decides what the page shows.
        model_name: Name to show on the page.
        visitors: The object that a `Gate` in front of the page has, too.
    """
    visitors = visitors or Visitors()
    with gr.Blocks(
        title=f"LGI-Former: {model_name}",
        analytics_enabled=False,
        delete_cache=(SECONDS_BETWEEN_DELETIONS, SECONDS_OF_ABANDONED_UPLOADS),
    ) as page:
        is_recognition = isinstance(demo, Recognition)
        subject = "Facial expressions in a video" if is_recognition else "Masked video, reconstructed"
        gr.Markdown(f"# {subject}\nModel: {as_markdown(model_name)}. {_about_uploads(demo)}")
        if is_recognition:
            with gr.Tab("Video"):
                _add_recognition(demo, visitors)
            with gr.Tab("Live camera"):
                _add_camera(demo)
        else:
            _add_reconstruction(demo, visitors)
        meaning = f"{as_markdown(demo.kind.meaning)} " if is_recognition else ""
        gr.Markdown(WITH_CARE.format(meaning=meaning))
    return page.queue(max_size=LONGEST_QUEUE)


def _about_uploads(demo: Recognition | Reconstruction) -> str:
    limits = demo.limits
    return (
        f"A video may have at most {limits.max_megabytes:g} MB and {limits.max_seconds:g} seconds. We delete your "
        f"video after the answer. Without a request, we delete it after {SECONDS_OF_ABANDONED_UPLOADS // 60} minutes."
    )


def _add_recognition(recognition: Recognition, visitors: Visitors):
    def answer(video: str | None, crop_faces: bool, request: Asker = None, progress=gr.Progress(track_tqdm=True)):  # noqa: B008
        try:
            with _waiting(visitors, video, request) as check:
                reply = recognition(video, crop_faces, check)
        except NotAnsweredError as error:
            reply = RecognitionAnswer(_apology(error))
        return (
            NO_UPLOAD,
            _final(reply.note),
            _shown(reply.video and player(reply.video)),
            _shown(reply.timeline and timeline_and_scores(recognition, reply)),
        )

    def answer_example(crop_faces: bool, request: Asker = None, progress=gr.Progress(track_tqdm=True)):  # noqa: B008
        return answer(write_example(), crop_faces, request)[1:]

    def recognise(video: str | None, crop_faces: bool, request: Asker = None) -> dict:
        with _errors_of_api(), _waiting(visitors, video, request) as check:
            return recognition.recognise(video, crop_faces, check) | {"video": os.path.basename(video)}

    with gr.Row():
        with gr.Column(scale=2):
            video, crop_faces = _add_inputs()
            submit, example = _add_buttons("Recognise")
        with gr.Column(scale=3):
            note = _add_note()
            annotated = _add_part("annotated")
    outputs = [note, annotated, _add_part("details")]
    _answer_on_click(submit, answer, [video, crop_faces], [video, *outputs], note)
    _answer_on_click(example, answer_example, [crop_faces], outputs, note)
    _add_endpoint(recognise, [video, crop_faces])


def _add_camera(recognition: Recognition):
    cameras = Cameras(recognition.pipeline, recognition.limits.max_seconds)

    def answer_picture(picture: np.ndarray | None, crop_faces: bool, request: gr.Request):
        if picture is None:  # the camera has stopped
            return gr.skip(), gr.skip()
        note, entries = cameras(request.session_hash, picture, crop_faces)
        return as_markdown(note), live_scores(recognition, entries)

    with gr.Row():
        with gr.Column(scale=2):
            camera = gr.Image(
                label="Camera", sources=["webcam"], streaming=True, type="numpy", height=320, elem_id="camera"
            )
            crop_faces = gr.Checkbox(True, label="Find faces", info="If not, each whole frame is one face.")
        with gr.Column(scale=3):
            note = gr.Markdown(ABOUT_CAMERA, elem_id="live-note")
            scores = gr.HTML(elem_id="live-scores", elem_classes="answer", apply_default_css=False)
    camera.stream(
        answer_picture,
        [camera, crop_faces],
        [note, scores],
        stream_every=min(seconds_between_frames(recognition.pipeline.video_processor), MAX_SECONDS_BETWEEN_PICTURES),
        concurrency_limit=None,  # `Cameras` limits them
        show_progress="hidden",
        api_visibility="private",
    )


def _add_reconstruction(reconstruction: Reconstruction, visitors: Visitors):
    def answer(video: str | None, crop_faces: bool, mask_ratio: float, seed: float, request: Asker = None):
        try:
            with _waiting(visitors, video, request) as check:
                reply = reconstruction(video, crop_faces, mask_ratio, int(seed), check)
        except NotAnsweredError as error:
            reply = ReconstructionAnswer(_apology(error))
        return NO_UPLOAD, _final(reply.note), _shown(reply.figure and picture(reply.figure, FRAMES_OF_RECONSTRUCTION))

    def answer_example(crop_faces: bool, mask_ratio: float, seed: float, request: Asker = None):
        return answer(write_example(), crop_faces, mask_ratio, seed, request)[1:]

    def reconstruct(
        video: str | None, crop_faces: bool, mask_ratio: float, seed: float, request: Asker = None
    ) -> dict:
        with _errors_of_api(), _waiting(visitors, video, request) as check:
            reply = reconstruction(video, crop_faces, mask_ratio, int(seed), check)
        figure = reply.figure and picture_address(reply.figure)
        return {"note": reply.note, "loss": reply.loss, "masked": reply.masked, "figure": figure}

    with gr.Row():
        with gr.Column(scale=2):
            video, crop_faces = _add_inputs()
            mask_ratio = gr.Slider(0.1, 0.95, reconstruction.mask_ratio, step=0.05, label="Masked share")
            seed = gr.Number(0, precision=0, minimum=0, label="Seed of the mask")
            submit, example = _add_buttons("Reconstruct")
        with gr.Column(scale=3):
            note = _add_note()
    figure = _add_part("figure")
    settings = [crop_faces, mask_ratio, seed]
    _answer_on_click(submit, answer, [video, *settings], [video, note, figure], note)
    _answer_on_click(example, answer_example, settings, [note, figure], note)
    _add_endpoint(reconstruct, [video, *settings])


def _add_inputs() -> tuple[gr.Video, gr.Checkbox]:
    video = gr.Video(
        label="Video",
        sources=["upload", "webcam"],
        webcam_options=gr.WebcamOptions(constraints={"audio": False}),
        include_audio=True,  # of uploads, because Gradio needs the command ffmpeg to remove it
        height=320,
        elem_id="upload",
    )
    crop_faces = gr.Checkbox(True, label="Find faces", info="If not, each whole frame is one face.")
    return video, crop_faces


def _add_buttons(action: str) -> tuple[gr.Button, gr.Button]:
    submit = gr.Button(action, variant="primary", elem_id="submit")
    return submit, gr.Button("Try a drawn example", elem_id="example")


def _add_note() -> gr.Markdown:
    return gr.Markdown("Upload or record a video, or try the example. The answer appears here.", elem_id="note")


def _add_part(name: str) -> gr.HTML:
    """Add a part of the answer. It is hidden until there is an answer."""
    return gr.HTML(visible=False, elem_id=name, elem_classes="answer", apply_default_css=False)


def _answer_on_click(button: gr.Button, answer: Callable, inputs: list, outputs: list, note: gr.Markdown):
    """Let a button answer. The old answer disappears at once, also if other videos are answered first.

    Args:
        button: The button.
        answer: Function from the values of `inputs` to the values of `outputs`.
        inputs: The upload, unless the example is answered, and the settings.
        outputs: The upload, unless the example is answered, the note, and the parts of the answer below it.
        note: Where progress is shown.
    """
    shown = outputs[outputs.index(note) :]
    cleared = button.click(
        lambda: [gr.update(value="", min_height=HEIGHT_OF_PROGRESS), *[_shown(None)] * (len(shown) - 1)],
        outputs=shown,
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )
    cleared.then(
        answer,
        inputs,
        outputs,
        show_progress_on=note,
        concurrency_limit=1,
        concurrency_id=QUEUE,
        api_visibility="private",
    )


def _add_endpoint(function: Callable, inputs: list):
    """Add an API endpoint that has the name of a function and returns its dictionary."""
    gr.Button(visible=False).click(
        function,
        inputs,
        gr.JSON(visible=False),
        api_name=function.__name__,
        concurrency_limit=1,
        concurrency_id=QUEUE,
    )


@contextlib.contextmanager
def _waiting(visitors: Visitors, video: str | None, request: Asker) -> Iterator[Callable[[float], None]]:
    """In this context, somebody waits for the answer to an upload, which is deleted at the end."""
    session = None if request is None else request.session_hash
    with deleted_after_answer(video, visitors), visitors.presence(session) as check:
        yield check


@contextlib.contextmanager
def _errors_of_api() -> Iterator[None]:
    """Send the message of a `NotAnsweredError` to the client. Gradio hides messages of other errors."""
    try:
        yield
    except NotAnsweredError as error:
        raise gr.Error(str(error), print_exception=False) from error


def _final(note: str) -> dict:
    """An update that shows a note without the place for the progress bar."""
    return gr.update(value=note, min_height=0)


def _shown(markup: str | None) -> dict:
    """An update that shows HTML, or hides the component if there is none."""
    return gr.update(value=markup or "", visible=bool(markup))


def _apology(error: NotAnsweredError) -> str:
    return f"**No answer.** {as_markdown(str(error))}"
