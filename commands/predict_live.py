"""`lgi-former predict --live`: expressions in live video, as JSON lines."""

import contextlib
import json
import signal
import threading
import time

from ..messages import fail, first_line, note
from .options import positive_number


OPTIONS = {
    *("live", "timeout", "model", "revision", "device", "window", "stride", "batch_size", "json"),
    *("no_crop_faces", "no_align", "no_cuts", "identify"),
}
"""Options that go with `--live`."""

DEFAULT_TIMEOUT = 10.0
SECONDS_BETWEEN_REPORTS = 10.0


def add_arguments(parser):
    """Add the options of live video."""
    group = parser.add_argument_group("live video")
    group.add_argument(
        "--live",
        metavar="SOURCE",
        help="instead of videos: a camera (0, /dev/video0; on Windows video=NAME), an address (rtsp://, udp://, ...), "
        "a file that grows, or - for stdin. Prints each window as a line of JSON. Ctrl-C ends it",
    )
    group.add_argument(
        "--timeout",
        type=positive_number,
        metavar="SECONDS",
        help=f"with --live: end if nothing arrives for so long (default: {DEFAULT_TIMEOUT:g})",
    )


def check(args):
    """Exit with an error if options do not go with live video, or `--timeout` is given without it."""
    if args.live is None:
        if args.timeout is not None:
            args.parser.error("--timeout is for --live")
        return
    if args.videos or args.sample:
        args.parser.error("--live takes the place of videos: leave out the videos and --sample")
    common = {"run", "parser", "main_parser", "memory_advice", "quiet"}
    others = [
        f"--{name}"
        for name, value in vars(args).items()
        if name not in OPTIONS | common and value and value != args.parser.get_default(name)
    ]
    if others:
        args.parser.error(f"--live prints lines of JSON, and does not go with {', '.join(others)}: leave it out")
    if args.model is None:
        args.parser.error("--live needs a --model")


def predict_live(load, args) -> int:
    """Print the entries of a live source until it ends or Ctrl-C.

    Args:
        load: Function without arguments that loads the pipeline.
        args: Options of the command.

    Returns:
        The exit status: 0 if the source or the user ended it, 1 if the source was lost, 2 if it gave no frame.
    """
    from ..image_processing.decoding.video_sources import VideoReadError
    from ..inference.live_frames import LiveFrames
    from ..inference.live_recognition import LiveRecognition
    from ..inference.live_source import LiveSource

    source = LiveSource(args.live, args.timeout or DEFAULT_TIMEOUT)
    frames = LiveFrames(source.longest_silence)
    recognition = LiveRecognition(load(), frames, args.batch_size)
    status = 0
    with _terminated_as_by_ctrl_c():
        try:
            threading.Thread(target=frames.feed, args=(source.frames(),), daemon=True).start()
            _print(recognition, frames)
        except KeyboardInterrupt:
            pass
        except (VideoReadError, TimeoutError) as error:
            is_sentence = isinstance(error, VideoReadError)
            fail(first_line(error) if is_sentence else f"'{source.name}' is lost: {error}. Check it, and begin again.")
            status = 1 if frames.seconds else 2
    if frames.seconds:
        for sentence in (*source.notes, *_summary(recognition, frames)):
            note(sentence)
    return status


def _print(recognition, frames):
    reported, next_report = (0, 0.0), time.monotonic()
    for entry in recognition:
        print(json.dumps(entry), flush=True)
        lost = (recognition.num_dropped, frames.skipped)
        if lost > reported and time.monotonic() >= next_report:
            note(f"Too slow for the source. So far: {_losses(recognition, frames)}.")
            reported, next_report = lost, time.monotonic() + SECONDS_BETWEEN_REPORTS


def _losses(recognition, frames) -> str:
    """The windows and frames that were not computed."""
    skipped = f", {frames.skipped:.1f} seconds of frames skipped" if frames.skipped else ""
    return f"{recognition.num_dropped} windows dropped{skipped}"


def _summary(recognition, frames) -> list[str]:
    sentences = [f"{frames.seconds:.1f} seconds of video: {recognition.num_entries} entries."]
    sentences.append(f"Losses: {_losses(recognition, frames)}.")
    if recognition.delays:
        median, worst = recognition.delays
        sentences.append(f"Delay after the end of a window: median {median:.2f} s, worst {worst:.2f} s.")
    return sentences


@contextlib.contextmanager
def _terminated_as_by_ctrl_c():
    """SIGTERM, which service managers send, has the effect of Ctrl-C in this block."""
    if threading.current_thread() is not threading.main_thread():  # others cannot handle signals
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
