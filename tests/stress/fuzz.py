"""Random and damaged inputs: lists, media files, model folders, recipes, names of labels.

An outcome is right, or a sentence that names the file.
"""

import contextlib
import csv
import io
import json
import os
import random
import re
import resource
import shutil
import sys
import tempfile
from pathlib import Path

import hypothesis
import media
import numpy as np
import yaml
from hypothesis import strategies as st
from watching import MEGABYTES, Trials, watch
from workplace import RECIPE

from lgi_former import LGIFormerConfig, LGIFormerForVideoClassification, LGIFormerVideoProcessor, load_videos
from lgi_former.commands.cli import main
from lgi_former.image_processing import VideoReadError, every_frame, open_frames, read_video


class Tool:
    """Cases of the kinds in turn. A case is a batch of random inputs of one kind."""

    def __init__(self, report, workplace):
        self.report, self.folder = report, report.scratch / "fuzz"
        self.folder.mkdir()
        video, model = workplace.path("videos") / "00000.mp4", workplace.path("finetuned")
        videos = workplace.path("videos.csv")
        self.kinds = [
            (fuzz_lists, (1000,)),
            (fuzz_media, (40,)),
            (fuzz_weights, (model, video, 20)),
            (fuzz_json, (model, "config.json", video, 20)),
            (fuzz_lists, (1000,)),
            (fuzz_labels, (video, 15)),
            (fuzz_media, (40,)),
            (fuzz_json, (model, "video_preprocessor_config.json", video, 20)),
            (fuzz_recipes, (videos, 6)),
        ]

    def run_case(self, number: int):
        """Run a batch in a fork."""
        function, arguments = self.kinds[number % len(self.kinds)]
        folder = self.folder / f"{number}"
        folder.mkdir()
        arguments = (function, folder, self.report.draw().randrange(2**32), *arguments)
        watch(_with_little_memory, arguments, folder / "log.txt", self.report.count)
        shutil.rmtree(folder)


def _with_little_memory(trials: Trials, function, *arguments):
    """Refuse huge allocations, which would end other processes of the machine."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + 2 * MEGABYTES * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    function(trials, *arguments)


def examples(strategy, check, seed: int, number: int, folder: Path):
    """Call `check` with examples of a strategy."""
    hypothesis.configuration.set_hypothesis_home_dir(folder / "hypothesis")
    settings = hypothesis.settings(
        max_examples=number,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],  # `check` counts problems and raises none, so nothing is shrunk
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    hypothesis.seed(seed)(settings(hypothesis.given(strategy)(lambda example: check(example))))()


def require(condition, problem: str):
    """Raise an error if an outcome is wrong."""
    if not condition:
        raise AssertionError(problem)


def require_sentence(message: str, *names: str):
    """The message is a sentence or a few, in one line, and has one of the names."""
    require(len(message) > 10 and "\n" not in message.strip(), f"not one line: {message!r}")
    require(any(name in message for name in names), f"{names[0]} is not named: {message}")


# Media files


def fuzz_media(trials: Trials, folder: Path, seed: int, number: int):
    """Both readers read the same frames of a damaged file, or both refuse it."""
    files = media.whole_files()
    for index in range(number):
        name, content = media.damaged_file(files, f"{seed} {index}")
        path = folder / name
        path.write_bytes(content)
        with trials.trial("damaged media files, two readers", path):
            compare_readers(path)
        path.unlink()


def compare_readers(path: Path):
    """Fail unless `read_video` and `open_frames` agree."""
    read, streamed = (_frames_or_error(reader, path) for reader in (_read, _stream))
    for outcome in (read, streamed):
        if isinstance(outcome, str):
            require_sentence(outcome, str(path))
    if isinstance(read, str) or isinstance(streamed, str):
        one = {type(outcome) for outcome in (read, streamed)}
        require(len(one) == 1, f"read_video: {_describe(read)}. open_frames: {_describe(streamed)}")
        return
    same = len(read) == len(streamed) and all(map(np.array_equal, read, streamed))
    require(same, f"read_video and open_frames differ: {_describe(read)}, {_describe(streamed)}")


def _frames_or_error(reader, path: Path):
    try:
        return reader(path)
    except VideoReadError as error:
        return str(error)


def _read(path: Path) -> list[np.ndarray]:
    return list(read_video(path, every_frame)[0][0])


def _stream(path: Path) -> list[np.ndarray]:
    with open_frames(path) as stream:
        return [frame.image for frame in stream]


def _describe(outcome) -> str:
    return outcome if isinstance(outcome, str) else f"{len(outcome)} frames"


# Lists

LETTERS = st.text(st.characters(categories=["Ll", "Lu", "Lo", "Nd"]), min_size=1, max_size=6)
STEMS = st.one_of(LETTERS, st.sampled_from(["clip 1", "sub dir/c d", "it's", "x,y", "x;y", "p#q", 'a"b', "C:\\c\\d"]))
DAMAGE = st.one_of(
    st.sampled_from(['"', "'", ",", ";", "\t", " ", "\n", "\r", "\0", "\f", "#", "# ", "\ufeff", "|", "\\", "nan"]),
    st.text(max_size=3),
)
DELIMITERS = {"spaces": " ", "tabs": "\t", "csv": ",", "semicolons": ";"}


@st.composite
def lists(draw) -> tuple[list[tuple[str, str]], str, bytes]:
    """Rows, the kind of the list, and its content."""
    kind = draw(st.sampled_from(list(DELIMITERS)))
    labels = draw(st.lists(LETTERS.map("k{}".format), min_size=2, max_size=3, unique=True))
    stems = draw(st.lists(STEMS, min_size=2, max_size=6))
    rows = [
        (f"{stem}{number}{draw(st.sampled_from(['.mp4', '.AVI']))}", labels[number % len(labels)])
        for number, stem in enumerate(stems)
    ]
    end = draw(st.sampled_from(["\n", "\r\n"]))
    if kind in ("spaces", "tabs"):
        text = end.join(f"{path}{DELIMITERS[kind]}{label}" for path, label in rows)
    else:
        file = io.StringIO()
        csv.writer(file, delimiter=DELIMITERS[kind], lineterminator=end).writerows([("video", "label"), *rows])
        text = file.getvalue()
    return rows, text, draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))


@st.composite
def damaged_lists(draw) -> bytes:
    """Content of a list with one to three changes, or any bytes."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=200))
    _, text, encoding = draw(lists())
    for _ in range(draw(st.integers(1, 3))):
        place, end = draw(st.integers(0, len(text))), draw(st.integers(0, 3))
        text = text[:place] + draw(DAMAGE) + text[place + end :]
    return text.encode(encoding, "surrogatepass")


def fuzz_lists(trials: Trials, folder: Path, seed: int, number: int):
    """Valid lists are read as they were written. Damaged ones lose no row in silence, or are refused."""
    file = folder / "list.txt"

    def check_valid(example):
        rows, text, encoding = example
        file.write_bytes(text.encode(encoding))
        with trials.trial("valid lists", file):
            videos = load_videos(file, "")
            names = videos.features["label"].int2str(videos["label"][:])
            require([*zip(videos["video"], names, strict=True)] == rows, f"read as {videos['video'][:]}, {names}")

    def check_damaged(content):
        file.write_bytes(content)
        with trials.trial("damaged lists", file):
            try:
                videos = load_videos(file, "")
            except ValueError as error:
                require_sentence(str(error), f"'{file}'")
                return
            text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
            lines = [line for line in re.split(r"[\r\n]", text) if line.strip()]
            rows = [line for line in lines if not re.match(r"\s*#+(\s|$)", line)]
            require(len(videos) >= len(rows) - 2, f"{len(rows)} lines, {len(videos)} videos")

    examples(lists(), check_valid, seed, number // 5, folder)
    examples(damaged_lists(), check_damaged, seed, number - number // 5, folder)


# Folders of models, and recipes

VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-3, 70),
        st.sampled_from([2**31, 2**63, -(2**31), 1e308, float("nan"), float("inf"), "", "0", "none", "../x"]),
        st.floats(),
        st.text(max_size=8),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=5,
)


@st.composite
def changed_fields(draw, fields: dict) -> tuple[dict, list[str]]:
    """Fields with one or two changes, and the misspelt names among them."""
    fields, misspelt = dict(fields), []
    for _ in range(draw(st.integers(1, 2))):
        name, change = draw(st.sampled_from(sorted(fields))), draw(st.integers(0, 5))
        if change == 0:
            del fields[name]
        elif change == 1 and len(name) > 5:
            place = draw(st.integers(2, len(name) - 1))
            wrong = name[:place] + name[place + 1 :]
            fields[wrong] = fields.pop(name)
            misspelt.append(wrong)
        else:
            fields[name] = draw(VALUES)
    return fields, [name for name in misspelt if name in fields]


def fuzz_json(trials: Trials, folder: Path, seed: int, model: Path, file: str, video: Path, number: int):
    """A changed `file` of a model folder: `predict` answers, or names the file. Misspelt fields are reported."""
    copy = _copied(model, folder)
    fields = json.loads((copy / file).read_text())

    def check_fields(example):
        changed, misspelt = example
        if any(changed.get(name, True) in (False, None) for name in ("do_resize", "do_sample_frames")):
            return  # the video would need the size of the model
        (copy / file).write_text(json.dumps(changed))
        with trials.trial(f"{file} with changed fields", copy / file):
            text = check_prediction(copy / file, video, [name for name in fields if changed.get(name) != fields[name]])
            for name in misspelt:
                require(name in text, f"the misspelt field '{name}' is not reported: {text}")

    examples(changed_fields(fields), check_fields, seed, number // 2, folder)
    content = (model / file).read_bytes()
    for index in range(number - number // 2):
        (copy / file).write_bytes(media.damage(random.Random(f"{seed} {index}"), content)[0])
        with trials.trial(f"{file} with damaged bytes", copy / file):
            check_prediction(copy / file, video)


def fuzz_weights(trials: Trials, folder: Path, seed: int, model: Path, video: Path, number: int):
    """Damaged weights: `predict` answers as with the whole ones, or names the file."""
    copy = _copied(model, folder)
    file, content = copy / "model.safetensors", (model / "model.safetensors").read_bytes()
    whole = predict(copy, video)[1]
    size = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:size])

    def check_header(example):
        changed = json.dumps(example[0]).encode()
        file.write_bytes(len(changed).to_bytes(8, "little") + changed + content[size:])
        with trials.trial("model.safetensors with a changed header", file):
            check_prediction(file, video, expected=whole)

    flat = {f"{name} {field}": value for name, entry in header.items() for field, value in entry.items()}
    examples(changed_fields(flat).map(_nested), check_header, seed, number // 2, folder)
    for index in range(number - number // 2):
        file.write_bytes(media.damage(random.Random(f"{seed} {index}"), content)[0])
        with trials.trial("model.safetensors with damaged bytes", file):
            check_prediction(file, video, expected=whole)


def _nested(example) -> tuple[dict, list[str]]:
    header = {}
    for name, value in example[0].items():
        entry, _, field = name.rpartition(" ")
        header.setdefault(entry, {})[field] = value
    return header, example[1]


def _copied(model: Path, folder: Path) -> Path:
    return Path(shutil.copytree(model, folder / "model", ignore=shutil.ignore_patterns("checkpoint-*")))


def run_quietly(argv: list) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of a command in this process."""
    output, real = io.StringIO(), os.dup(2)
    with tempfile.TemporaryFile() as errors:
        os.dup2(errors.fileno(), 2)  # loggers have other streams than `sys.stderr`
        try:
            with contextlib.redirect_stdout(output):
                status = main(list(map(str, argv)))
        except SystemExit as end:
            status = end.code
        finally:
            sys.stderr.flush()
            os.dup2(real, 2)
            os.close(real)
        errors.seek(0)
        return status, output.getvalue(), errors.read().decode(errors="replace")


def predict(model: Path, video: Path) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of `predict`."""
    return run_quietly(["predict", video, "--model", model, "--no_crop_faces", "--json", "--device", "cpu"])


def check_prediction(file: Path, video: Path, fields: list[str] = (), expected: str | None = None) -> str:
    """Fail unless `predict` gives finite numbers, or a sentence that names a file of the model or one of the fields.

    Args:
        file: The file of the model that was changed.
        video: What to predict.
        fields: Names of the fields that were changed.
        expected: What `predict` prints if it gives numbers. By default, any finite numbers are right.

    Returns:
        What was printed on stderr.
    """
    model = file.parent
    status, output, errors = predict(model, video)
    if status == 0:
        json.loads(output)
        require(expected in (None, output), f"other numbers than those of the whole file: {output}")
        require("NaN" not in output and "Infinity" not in output, f"numbers that are not finite: {output}")
        return errors
    sentences = [line for line in errors.splitlines() if line.startswith("lgi-former: ")]
    require(status == 2 and len(sentences) == 1, f"exit status {status}: {errors}")
    others = [other.name for other in model.iterdir() if other.is_file()]  # which may disagree with the changed one
    require_sentence(sentences[0], file.name, *others, *fields)
    return errors


OPTIONS = {
    **yaml.safe_load(RECIPE),
    "learning_rate": 0.001,
    "weight_decay": 0.05,
    "num_train_epochs": 1,
    "mixup_alpha": 0.8,
    "layer_decay": 0.75,
    "label_smoothing_factor": 0.1,
    "warmup_ratio": 0.1,
    "seed": 0,
    "lr_scheduler_type": "cosine",
}
# A user may want a large model or batch, which needs more memory than a trial has. So large values of these options
# are left out, and a recipe whose `config_overrides` are gone gets them on the command line.
LARGE = ("image_size", "num_frames", "per_device_train_batch_size", "dataloader_num_workers")
SPECIAL = [
    "[" * 3000,
    "{a: " * 3000,
    "!!python/object/apply:os.system [touch pwned]",
    "a: &a [x,x]\nb: &b [*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b]\nseed: [*c,*c,*c,*c]",
    "seed: 0\nseed: 1",
    "- a\n- b",
    "",
    "\0",
    "seed:\n\t- 0",
]


def fuzz_recipes(trials: Trials, folder: Path, seed: int, videos: Path, number: int):
    """A changed recipe: `finetune` trains a step, or names the recipe or the option."""
    recipe = folder / "recipe.yaml"
    draw = random.Random(seed)
    os.chdir(folder)  # recipes name files

    def check(text: bytes, names: list[str]):
        recipe.write_bytes(text)
        with trials.trial("recipes", recipe):
            words = ["finetune", recipe, "--train_data", videos, "--max_steps", 1]
            words += ["--output_dir", folder / "run", "--dataloader_num_workers", 0]
            if b"hidden_size: 16" not in text:
                words += ["--config_overrides", json.dumps(OPTIONS["config_overrides"])]
            try:
                status, _, errors = run_quietly(words)
            finally:
                shutil.rmtree(folder / "run", ignore_errors=True)
            require(not os.path.exists("pwned"), "the recipe ran code")
            if status != 0:
                lines = [line for line in errors.splitlines() if line.startswith("lgi-former")]
                require(status == 2 and len(lines) == 1, f"exit status {status}: {errors[-1000:]}")
                require_sentence(lines[0], str(recipe), *names)

    def check_fields(example):
        fields, misspelt = example
        fields = {name: value for name, value in fields.items() if name not in LARGE or _is_small(value)}
        names = [name for name in fields if fields[name] != OPTIONS.get(name)] + misspelt
        names += [f"--{name}" for name in OPTIONS if name not in fields]
        check(yaml.safe_dump(fields).encode("utf-8", "surrogatepass"), names)

    examples(changed_fields(OPTIONS), check_fields, seed, number - 2, folder)
    check(draw.choice(SPECIAL).encode(), [])
    check(media.damage(draw, yaml.safe_dump(OPTIONS).encode())[0], list(OPTIONS))


def _is_small(value) -> bool:
    return not isinstance(value, (int, float)) or abs(value) < 100


# Names of labels

NAMES = st.one_of(
    st.text(min_size=1, max_size=12),
    st.sampled_from(
        ["=1+1", "+a", "-a", "@SUM(A1)", "<script>alert(1)</script>", "a\nb", "a,b", 'a"b', "|", "`", "---"]
    ),
)


def fuzz_labels(trials: Trials, folder: Path, seed: int, video: Path, number: int):
    """Any names are saved, loaded and printed as they are, or refused. No cell of a table is a formula."""
    small = {"image_size": 16, "patch_size": 4, "num_frames": 4, "region_size": (2, 2, 4), "hidden_size": 16}
    small |= {"num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}

    def check(labels):
        model = folder / "labelled"
        model.mkdir(exist_ok=True)
        (model / "labels.json").write_text(json.dumps(labels))
        with trials.trial("names of labels", model / "labels.json"):
            try:
                config = LGIFormerConfig(**small, id2label=dict(enumerate(labels)))
                LGIFormerForVideoClassification(config).save_pretrained(model)
            except ValueError as error:
                require(len(str(error)) > 10, f"no sentence: {error!r}")
                return
            LGIFormerVideoProcessor(size={"height": 16, "width": 16}, num_frames=4).save_pretrained(model)
            words = ["predict", video, "--model", model, "--no_crop_faces", "--device", "cpu"]
            status, output, errors = run_quietly([*words, "--json"])
            require(status == 0, f"exit status {status}: {errors}")
            require(set(json.loads(output)["scores"]) == set(labels), f"other labels: {output}")
            rows = list(csv.reader(io.StringIO(run_quietly([*words, "--csv"])[1], newline="")))
            require(len({len(row) for row in rows}) == 1, f"rows of different lengths: {rows}")
            formulas = [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
            require(not formulas, f"formulas: {formulas}")

    examples(st.lists(NAMES, min_size=2, max_size=3, unique=True), check, seed, number, folder)
