"""The page of the demo. It loads nothing from other servers: no fonts, no scripts, no statistics."""

import base64

import gradio as gr

from .answers import Recognition, RecognitionAnswer, Reconstruction, ReconstructionAnswer
from .uploads import NotAnsweredError, deleted_after_answer


WITH_CARE = (
    "**Use with care.** Whether emotions can be read from faces is "
    "[contested](https://doi.org/10.1177/1529100619832930). A score is the share of a label that annotators would "
    "give to a clip like those of one data set, not a measurement of what somebody feels. Do not use it for decisions "
    "about people. In the European Union, inferring emotions at work and in education is prohibited with few "
    "exceptions (AI Act, Article 5)."
)
SECONDS_OF_ABANDONED_UPLOADS = 30 * 60  # longer than the longest queue takes, because its uploads are still needed
SECONDS_BETWEEN_DELETIONS = 60
LONGEST_QUEUE = 10
NO_UPLOAD = None  # empties the input after the answer, because its file is deleted


def build_page(demo: Recognition | Reconstruction, model_name: str) -> gr.Blocks:
    """Build the page and its queue, which answers one video at a time.

    Args:
        demo: Answers to a video. It decides what the page shows.
        model_name: Name to show on the page.
    """
    with gr.Blocks(
        title=f"LGI-Former: {model_name}",
        analytics_enabled=False,
        delete_cache=(SECONDS_BETWEEN_DELETIONS, SECONDS_OF_ABANDONED_UPLOADS),
    ) as page:
        is_recognition = isinstance(demo, Recognition)
        subject = "Facial expressions in a video" if is_recognition else "Masked video, reconstructed"
        gr.Markdown(f"# {subject}\nModel: `{model_name}`. {_about_uploads(demo)}")
        (_add_recognition if is_recognition else _add_reconstruction)(demo)
        gr.Markdown(WITH_CARE)
    return page.queue(max_size=LONGEST_QUEUE)


def _about_uploads(demo: Recognition | Reconstruction) -> str:
    limits = demo.limits
    return (
        f"Videos may have {limits.max_megabytes:g} MB and {limits.max_seconds:g} seconds. We delete your video after "
        f"the answer, or after {SECONDS_OF_ABANDONED_UPLOADS // 60} minutes."
    )


def _add_recognition(recognition: Recognition):
    def answer(video: str | None, crop_faces: bool, progress=gr.Progress(track_tqdm=True)):  # noqa: B008
        try:
            with deleted_after_answer(video):
                reply = recognition(video, crop_faces)
        except NotAnsweredError as error:
            reply = RecognitionAnswer(_apology(error))
        return NO_UPLOAD, reply.note, _as_html(reply.video), reply.timeline, reply.rows

    with gr.Row():
        with gr.Column(scale=2):
            video, crop_faces = _add_inputs()
            submit = gr.Button("Recognise", variant="primary", elem_id="submit")
        with gr.Column(scale=3):
            note = gr.Markdown(elem_id="note")
            annotated = gr.HTML(elem_id="annotated")
    timeline = gr.Plot(show_label=False, elem_id="timeline")  # Gradio would lay the label over the figure
    table = gr.Dataframe(headers=recognition.columns, label="Mean scores", interactive=False, elem_id="scores")
    outputs = [video, note, annotated, timeline, table]
    _answer_on_click(submit, answer, [video, crop_faces], outputs, note)


def _add_reconstruction(reconstruction: Reconstruction):
    def answer(video: str | None, crop_faces: bool, mask_ratio: float, seed: float):
        try:
            with deleted_after_answer(video):
                reply = reconstruction(video, crop_faces, mask_ratio, int(seed))
        except NotAnsweredError as error:
            reply = ReconstructionAnswer(_apology(error))
        return NO_UPLOAD, reply.note, reply.figure

    with gr.Row():
        with gr.Column(scale=2):
            video, crop_faces = _add_inputs()
            mask_ratio = gr.Slider(0.1, 0.95, reconstruction.mask_ratio, step=0.05, label="Masked share")
            seed = gr.Number(0, precision=0, minimum=0, label="Seed of the mask")
            submit = gr.Button("Reconstruct", variant="primary", elem_id="submit")
        with gr.Column(scale=3):
            note = gr.Markdown(elem_id="note")
            figure = gr.Plot(show_label=False, elem_id="figure")
    inputs = [video, crop_faces, mask_ratio, seed]
    _answer_on_click(submit, answer, inputs, [video, note, figure], note)


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


def _answer_on_click(submit: gr.Button, answer, inputs: list, outputs: list, note: gr.Markdown):
    submit.click(answer, inputs, outputs, show_progress_on=note, concurrency_limit=1, api_visibility="private")


def _apology(error: NotAnsweredError) -> str:
    return f"**No answer.** {error}"


def _as_html(video: bytes | None) -> str:
    """A player that contains the video. A file that Gradio serves would remain on disk."""
    if video is None:
        return ""
    address = f"data:video/mp4;base64,{base64.b64encode(video).decode()}"
    return (
        f'<video src="{address}" controls autoplay muted loop playsinline style="width: 100%"></video>'
        '<a href="#" download="annotated.mp4" onclick="this.href = this.previousElementSibling.src">Download</a>'
    )
