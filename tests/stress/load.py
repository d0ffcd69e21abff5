"""Many videos, many reads, generators that are closed early, and many users of the demo."""

import gc
import itertools
import os
import shutil
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import media
from running import HANG, kill_session, start
from watching import Trials, watch


VIDEOS, READS, USERS = 300, 5000, 50
MEGABYTES_OF_GROWTH = 64  # caches of allocators; a leak of a frame a read would be larger


class Tool:
    """Cases of the loads in turn."""

    def __init__(self, report, workplace):
        self.report, self.folder = report, report.scratch / "load"
        self.folder.mkdir()
        inputs = workplace.path("videos") / "00000.mp4", workplace.path("finetuned")
        self.loads = [(close_early, inputs), (read_often, ()), (predict_many, inputs), (use_demo, inputs)]

    def run_case(self, number: int):
        """Run one load in a fork."""
        function, inputs = self.loads[number % len(self.loads)]
        folder = self.folder / f"{number}"
        folder.mkdir()

        def count(kind, problem, saved):
            self.report.count(kind, problem, [*saved, folder / "log.txt"])

        watch(function, (folder, *inputs), folder / "log.txt", count, seconds=HANG)
        shutil.rmtree(folder)


class Use(NamedTuple):
    """What this process holds: megabytes, open files, threads, and child processes."""

    megabytes: float
    files: int
    threads: int
    children: int

    @classmethod
    def now(cls) -> "Use":
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        megabytes = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
        return cls(megabytes, len(os.listdir("/proc/self/fd")), threading.active_count(), len(children))

    def require_as(self, before: "Use"):
        """Fail unless this is as before."""
        grown = self.megabytes - before.megabytes > MEGABYTES_OF_GROWTH
        if grown or any(now > then for now, then in zip(self[1:], before[1:], strict=True)):
            raise AssertionError(f"before: {before}, after: {self}")


def predict_many(trials: Trials, folder: Path, video: Path, model: Path):
    """300 videos in one call hold as much as 100."""
    recognise = _pipeline(model)
    videos = [str(shutil.copy(video, folder / f"{number}.mp4")) for number in range(VIDEOS)]
    first = recognise(videos[0], crop_faces=False)
    recognise(videos[:100], crop_faces=False)
    before = Use.now()
    with trials.trial(f"{VIDEOS} videos in one call"):
        results = recognise(videos, crop_faces=False)
        if len(results) != VIDEOS or any(result["scores"] != first["scores"] for result in results):
            raise AssertionError("the results of equal videos differ")
        Use.now().require_as(before)


def read_often(trials: Trials, folder: Path):
    """5,000 reads hold as much as 500."""
    from lgi_former.image_processing import every_frame, open_frames, read_video

    paths = []
    for name, content in media.whole_files().items():
        paths.append(folder / name)
        paths[-1].write_bytes(content)

    def read(times):
        for number, path in enumerate(itertools.islice(itertools.cycle(paths), times)):
            if number // len(paths) % 2:
                read_video(path, every_frame)
            else:
                with open_frames(path) as stream:
                    sum(1 for _ in stream)

    read(READS // 10)
    before = Use.now()
    with trials.trial(f"{READS} reads"):
        read(READS)
        Use.now().require_as(before)


def close_early(trials: Trials, folder: Path, video: Path, model: Path):
    """A generator that is closed in the middle closes its reader, and ends its workers."""
    from lgi_former.image_processing import open_frames, read_video
    from lgi_former.inference import predict_videos
    from lgi_former.inference.loading import load_classifier

    recognise, loaded = _pipeline(model), load_classifier(str(model), "cpu")
    frames = list(read_video(video, lambda metadata: range(metadata.total_num_frames))[0])

    def leave_stream():
        with open_frames(video) as stream:
            next(iter(stream))

    def close(generator):
        next(generator)
        generator.close()

    def predict(num_workers):
        return predict_videos(*loaded, [str(video)] * 20, crop_faces=False, num_workers=num_workers)

    def camera():
        try:
            yield from itertools.cycle(frames)
        finally:
            closed.append(True)

    closed = []
    ways = {
        "open_frames": leave_stream,
        "stream of a file": lambda: close(recognise.stream(str(video), crop_faces=False, window=0.2, stride=0.1)),
        "stream of frames": lambda: close(recognise.stream(camera(), frame_rate=8, crop_faces=False, window=0.5)),
        "predict_videos": lambda: close(predict(0)),
        "predict_videos with workers": lambda: close(predict(2)),
    }
    for name, leave in ways.items():
        leave()
        before = Use.now()
        with trials.trial(f"closed in the middle: {name}"):
            for _ in range(3 if "workers" in name else 20):
                leave()
            _wait(lambda before=before: Use.now().children <= before.children)
            Use.now().require_as(before)
            if name == "stream of frames" and len(closed) != 21:
                raise AssertionError(f"{len(closed)} of 21 iterators were closed")


def use_demo(trials: Trials, folder: Path, video: Path, model: Path):
    """50 users at once get the right answer or a sentence. The demo goes on, and deletes all uploads."""
    from gradio_client import Client

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    temporary = folder / "temporary"
    temporary.mkdir()
    demo = start(_serve, (temporary, ["demo", "--model", str(model), "--port", str(port)]), folder / "demo.txt")
    try:
        address = f"http://127.0.0.1:{port}/"
        _wait(lambda: demo.exitcode is not None or _answers(port))
        client = Client(address, verbose=False, analytics_enabled=False, download_files=str(folder))
        expected = _ask(client, video)["scores"]
        with ThreadPoolExecutor(USERS) as pool:
            answers = list(pool.map(lambda _: _outcome(address, video, folder), range(USERS)))
        for answer in answers:
            how = "refused with a sentence" if isinstance(answer, str) else "answered"
            with trials.trial(f"{USERS} users at the demo at once: {how}", folder / "demo.txt"):
                if isinstance(answer, str):
                    if len(answer) < 10 or "Traceback" in answer:
                        raise AssertionError(f"no sentence: {answer}")
                elif answer["scores"] != expected:
                    raise AssertionError(f"other scores: {answer['scores']}")
        with trials.trial("the demo after them", folder / "demo.txt"):
            if all(isinstance(answer, str) for answer in answers):
                raise AssertionError(f"nobody was answered: {answers[0]}")
            if _ask(client, video)["scores"] != expected:
                raise AssertionError("other scores")
            if "Traceback" in (folder / "demo.txt").read_text():
                raise AssertionError("a traceback")
    finally:
        kill_session(demo.pid)


def _serve(temporary: Path, argv: list[str]) -> int:
    from lgi_former.commands.cli import main

    os.environ["TMPDIR"] = str(temporary)
    return main(argv)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _outcome(address: str, video: Path, folder: Path) -> dict | str:
    """The answer, or the message of the error."""
    from gradio_client import Client

    try:
        return _ask(Client(address, verbose=False, analytics_enabled=False, download_files=str(folder)), video)
    except Exception as error:  # of the client, which has many
        return f"{type(error).__name__}: {error}"


def _ask(client, video: Path) -> dict:
    from gradio_client import handle_file

    return client.predict(video=handle_file(str(video)), crop_faces=False, api_name="/recognise")


def _pipeline(model: Path):
    from lgi_former import FacialExpressionPipeline
    from lgi_former.inference.loading import load_classifier

    loaded, processor = load_classifier(str(model), "cpu")
    return FacialExpressionPipeline(model=loaded, video_processor=processor, device="cpu")


def _wait(condition):
    deadline = time.monotonic() + HANG
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"nothing happened for {HANG:.0f} seconds")
        time.sleep(0.1)
