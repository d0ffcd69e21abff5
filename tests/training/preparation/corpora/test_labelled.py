"""Lists of labelled corpora that have their owners' layout."""

import csv
import json
import shlex
from collections import Counter
from pathlib import Path

import pytest

from lgi_former.commands.prepare.corpus import NUM_FOLDS, UNLABELLED
from lgi_former.configuration import DATASET_LABELS
from lgi_former.training.data.annotations import load_annotations
from lgi_former.training.preparation.corpora.descriptions import CORPORA, UnlabelledClips
from lgi_former.training.run.recipes import read_recipe, shipped


def read(file):
    return file.read_text().splitlines()


def test_the_command_knows_every_corpus():
    assert {name: corpus.clips.num_folds for name, corpus in CORPORA.items()} == NUM_FOLDS
    assert tuple(n for n, corpus in CORPORA.items() if isinstance(corpus.clips, UnlabelledClips)) == UNLABELLED
    assert all(corpus.recipe in shipped() for corpus in CORPORA.values())
    for name in DATASET_LABELS:
        assert len(CORPORA[name].clips.labels) == len(DATASET_LABELS[name])


# Lists of the owners


@pytest.mark.parametrize("frames", ["Clip/jpg_256", "Clip/jpg_224", "Clip/clip_224x224"])
def test_dfew_has_labels_from_one_and_names_of_five_digits(frames, replicas, prepare, root, output):
    replicas.write_dfew(root, frames)
    assert prepare("dfew") == 0
    assert read(output / "fold_2" / "test.csv") == [f"{frames}/00002 1"]
    assert read(output / "fold_2" / "train.csv") == [f"{frames}/{n:05d} {n - 1}" for n in (1, 3, 4, 5, 6, 7)]
    assert sorted(entry.name for entry in output.iterdir() if not entry.name.startswith(".")) == [
        *(f"fold_{fold}" for fold in range(1, 6)),
        "labels.json",
    ]


def test_the_larger_frames_of_dfew_are_the_default(replicas, prepare, root, output):
    replicas.write_dfew(root, "Clip/jpg_224")
    replicas.write_dfew(root, "Clip/jpg_256")
    assert prepare("dfew", "--fold", "1") == 0
    assert read(output / "fold_1" / "test.csv") == ["Clip/jpg_256/00001 0"]
    assert prepare("dfew", "--fold", "1", "--clips", "Clip/jpg_224", "--overwrite") == 0
    assert read(output / "fold_1" / "test.csv") == ["Clip/jpg_224/00001 0"]


@pytest.mark.parametrize("frames", ["2_ClipsforFaceCrop", "2_ClipsforFaceCrop/2_ClipsforFaceCrop"])
def test_ferv39k_has_one_split(frames, replicas, prepare, root, output):
    replicas.write_ferv39k(root, frames)
    assert prepare("ferv39k") == 0
    assert read(output / "train.csv")[:2] == [f"{frames}/Action/Sad/0010 1", f"{frames}/Action/Happy/0010 0"]
    assert read(output / "test.csv") == [f"{frames}/DailyLife/Happy/0010 0", f"{frames}/DailyLife/Fear/0010 6"]


@pytest.mark.parametrize("lists", ["split", "Train & Test Set"])
def test_mafw_has_frames_in_png(lists, replicas, prepare, root, output):
    replicas.write_mafw(root, lists)
    assert prepare("mafw", "--fold", "3") == 0
    assert read(output / "fold_3" / "train.csv") == ["data/frames/00001 0", "data/frames/00002 10"]
    assert read(output / "fold_3" / "test.csv") == ["data/frames/00003 9"]
    assert not (output / "fold_1").exists()


def test_videos_may_replace_folders_of_frames(replicas, prepare, root, output):
    replicas.write_mafw(root)
    assert prepare("mafw", "--fold", "1", "--clips", "data/clips") == 0
    assert read(output / "fold_1" / "test.csv") == ["data/clips/00003.mp4 9"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("3,0", "gives '3' the unknown label '0'; labels are 1, 2, 3, 4, 5, 6, 7"),
        ("3,8", "gives '3' the unknown label '8'"),
        ("1,2", "gives '1' two labels, one of them '2'"),
        ("3", "1 values under a header of 2"),
    ],
)
def test_a_wrong_line_is_an_error(line, problem, replicas, prepare, root, output, capsys):
    replicas.write_dfew(root)
    file = root / "EmoLabel_DataSplit" / "train(single-labeled)" / "set_4.csv"
    file.write_text(f"video_name,label\n1,1\n{line}\n")
    assert prepare("dfew") == 2
    [message] = [line for line in capsys.readouterr().err.splitlines() if line.startswith("lgi-former: ")]
    assert str(file) in message
    assert problem in message
    assert not output.exists()


def test_a_repeated_line_is_one_clip(replicas, prepare, root, output):
    replicas.write_dfew(root)
    file = root / "EmoLabel_DataSplit" / "train(single-labeled)" / "set_1.csv"
    file.write_bytes(b"\xef\xbb\xbfvideo_name,label\r\n2,2\r\n3,3\r\n2,2\r\n")
    assert prepare("dfew", "--fold", "1") == 0
    assert read(output / "fold_1" / "train.csv") == ["Clip/jpg_256/00002 1", "Clip/jpg_256/00003 2"]


def test_clips_in_both_splits_are_reported(replicas, prepare, root, capsys):
    replicas.write_dfew(root)
    file = root / "EmoLabel_DataSplit" / "train(single-labeled)" / "set_2.csv"
    file.write_text(file.read_text() + "2,2\n")
    assert prepare("dfew") == 0
    [message] = [line for line in capsys.readouterr().err.splitlines() if "both to train and to test" in line]
    assert message.startswith("1 clips of fold 2 are listed") and "Clip/jpg_256/00002" in message


def test_a_missing_list_is_an_error(replicas, prepare, root, capsys):
    replicas.write_ferv39k(root)
    (root / "4_setups" / "All_scenes" / "test_All.csv").unlink()
    assert prepare("ferv39k") == 2
    message = capsys.readouterr().err
    assert (
        f"There is no list '{root / '4_setups' / 'All_scenes' / 'test_All.csv'}'. Its owners give FERV39k" in message
    )


# Names of clips


def actors_of(file, corpus):
    """Number of clips by actor in a list."""
    name = {
        "crema-d": lambda path: path.split("/")[-1][:4],
        "ravdess": lambda path: path.split("-")[-1][:2],
        "enterface": lambda path: path.split("/")[0][len("subject ") :],
    }[corpus]
    return Counter(int(name(line.rsplit(" ", 1)[0])) for line in read(file))


@pytest.mark.parametrize(
    ("corpus", "actors", "sizes", "clips"),
    [
        ("crema-d", range(1001, 1092), [18, 18, 18, 18, 19], 91),
        ("ravdess", range(1, 25), [4, 4, 4, 4, 4, 4], 1440),
        ("enterface", [n for n in range(1, 45) if n != 6], [9, 9, 9, 9, 7], 1287),
    ],
)
def test_folds_are_the_published_ones(corpus, actors, sizes, clips, replicas, prepare, root, output):
    getattr(replicas, f"write_{corpus.replace('-', '_')}")(root)
    assert prepare(corpus) == 0
    remaining = list(actors)
    for fold, size in enumerate(sizes, 1):
        tested, remaining = remaining[:size], remaining[size:]
        test, train = (actors_of(output / f"fold_{fold}" / f"{split}.csv", corpus) for split in ("test", "train"))
        assert sorted(test) == tested
        assert sorted(train) == [actor for actor in actors if actor not in tested]
        assert sum(test.values()) + sum(train.values()) == clips
    assert remaining == []
    assert not (output / f"fold_{len(sizes) + 1}").exists()


def test_labels_of_crema_d(replicas, prepare, root, output):
    replicas.write_crema_d(root)
    prepare("crema-d", "--fold", "1")
    assert read(output / "fold_1" / "test.csv")[:2] == [
        "VideoFlash/1001_IEO_ANG_XX.flv 0",
        "VideoFlash/1002_IEO_DIS_XX.flv 1",
    ]


def test_ravdess_takes_speech_without_sound(replicas, prepare, root, output):
    replicas.write_ravdess(root)
    prepare("ravdess", "--fold", "1")
    lines = read(output / "fold_1" / "test.csv")
    assert lines[0] == "Actor_01/02-01-01-01-01-01-01.mp4 0"
    assert lines[-1] == "Actor_04/02-01-08-02-02-02-04.mp4 7"
    assert len(lines) == 240


@pytest.mark.parametrize("space", [" ", "_"])
def test_names_in_enterface_may_have_spaces(space, replicas, prepare, root, output):
    replicas.write_enterface(root, space)
    prepare("enterface", "--fold", "1")
    lines = read(output / "fold_1" / "test.csv")
    assert f"subject{space}1/anger/sentence{space}1/s1_an_1.avi 0" in lines
    assert f"subject{space}3/surprise/sentence{space}5/s_3_su_5.avi 5" in lines


def test_a_missing_actor_does_not_change_the_folds(replicas, prepare, root, output):
    replicas.write_ravdess(root)
    for clip in (root / "Actor_02").iterdir():
        clip.unlink()
    assert prepare("ravdess", "--max_missing_fraction", "0.1") == 1
    assert sorted(actors_of(output / "fold_1" / "test.csv", "ravdess")) == [1, 3, 4]
    assert sorted(actors_of(output / "fold_2" / "test.csv", "ravdess")) == [5, 6, 7, 8]


@pytest.mark.parametrize("folder", ["VideoFlash", "."])
def test_cropped_faces_may_replace_videos(folder, replicas, prepare, root, output):
    replicas.write_crema_d(root)
    names = [video.name for video in (root / "VideoFlash").glob("*.flv")]
    for name in names:  # `prepare faces` names folders like videos, including the suffix
        (root / "VideoFlash" / name).unlink()
        replicas.write(root / folder / name / "000000.jpg")
    clips = () if folder == "VideoFlash" else ("--clips", ".")
    assert prepare("crema-d", "--fold", "5", *clips) == 0
    assert read(output / "fold_5" / "test.csv")[0] == f"{'' if clips else 'VideoFlash/'}1073_IEO_ANG_XX.flv 0"


# Missing clips


def missing_of(output):
    with (output / "missing.csv").open(newline="") as file:
        return {row["path"]: row["reason"] for row in csv.DictReader(file)}


def test_few_missing_clips_are_skipped_and_reported(replicas, prepare, root, output, capsys):
    replicas.write_dfew(root)
    (root / "Clip" / "jpg_256" / "00002" / "00001.jpg").unlink()
    assert prepare("dfew", "--fold", "1", "--max_missing_fraction", "0.2") == 1
    assert missing_of(output) == {"Clip/jpg_256/00002": "holds no frames"}
    assert "Clip/jpg_256/00002 1" not in read(output / "fold_1" / "train.csv")
    assert len(read(output / "fold_1" / "train.csv")) == 5
    message = capsys.readouterr().err
    assert "1 of 7 clips are missing" in message
    assert f"{root}/Clip/jpg_256/00002 holds no frames" in message
    assert "https://dfew-dataset.github.io/" in message


def test_many_missing_clips_are_an_error(replicas, prepare, root, output, capsys):
    replicas.write_ravdess(root)
    for clip in (root / "Actor_02").iterdir():
        clip.unlink()
    assert prepare("ravdess") == 2
    assert len(missing_of(output)) == 60
    assert [entry.name for entry in output.iterdir() if not entry.name.startswith(".")] == ["missing.csv"]
    message = capsys.readouterr().err
    assert f"and 55 more; all are in {output / 'missing.csv'}" in message
    assert "No list is written" in message


@pytest.mark.parametrize(
    ("content", "problem"), [(b"", "is empty"), (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull")]
)
def test_an_empty_file_is_a_missing_clip(content, problem, replicas, prepare, root, output):
    replicas.write_crema_d(root)
    replicas.write(root / "VideoFlash" / "1001_IEO_ANG_XX.flv", content)
    assert prepare("crema-d", "--max_missing_fraction", "0.5") == 1
    [(path, reason)] = missing_of(output).items()
    assert path == "VideoFlash/1001_IEO_ANG_XX.flv"
    assert problem in reason


def test_without_the_owners_list_missing_clips_are_counted(replicas, prepare, root, output, capsys):
    replicas.write_crema_d(root)
    (root / "SentenceFilenames.csv").unlink()
    assert prepare("crema-d") == 2
    assert "7351 with unknown names" in capsys.readouterr().err
    assert not (output / "missing.csv").exists()


@pytest.mark.parametrize("content", [b"", b"Stimulus_Number;Filename\n", b"\xff\xfe"])
def test_a_wrong_list_of_clips_is_an_error(content, replicas, prepare, root, capsys):
    replicas.write_crema_d(root)
    (root / "SentenceFilenames.csv").write_bytes(content)
    assert prepare("crema-d") == 2
    assert f"'{root / 'SentenceFilenames.csv'}' is not the owners' list of clips" in capsys.readouterr().err


def test_the_error_of_a_missing_corpus_says_where_to_get_it(prepare, root, capsys):
    assert prepare("ravdess") == 2
    assert "https://zenodo.org/records/1188976" in capsys.readouterr().err
    root.mkdir()
    assert prepare("ravdess") == 2
    message = capsys.readouterr().err
    assert f"None of the 1440 clips of RAVDESS is in '{root}', such as '{root / 'Actor_01'}/02-01-01-" in message
    assert prepare("dfew") == 2
    assert "there is no folder Clip/jpg_256 or Clip/jpg_224" in capsys.readouterr().err


def test_the_error_names_other_files_in_the_folder(replicas, prepare, root, capsys):
    replicas.write_dfew(root / "DFEW", "Clip/jpg_256")
    assert prepare("dfew") == 2
    assert f"; did you mean --root '{root / 'DFEW'}'?" in capsys.readouterr().err
    replicas.write_dfew(root, "Clip/jpg_256")
    replicas.write(root / "Clip" / "original" / "7.mp4")
    assert prepare("dfew", "--clips", "Clip/original") == 2
    assert (
        f"such as '{root / 'Clip/original/00002'}'; the folder has other files, such as "
        f"'{root / 'Clip/original/7.mp4'}'" in capsys.readouterr().err
    )


def test_a_split_without_clips_is_refused(replicas, prepare, root, output, capsys):
    replicas.write_ferv39k(root)
    for clip in (root / "2_ClipsforFaceCrop" / "DailyLife").glob("*/0010/0.jpg"):
        clip.unlink()
    (root / "4_setups" / "All_scenes" / "train_All.csv").write_text("Action/Sad/0010 Sad\n")
    assert prepare("ferv39k", "--max_missing_fraction", "1") == 2
    message = capsys.readouterr().err
    assert f"All clips of '{output / 'test.csv'}' are missing." in message
    assert f"{root / '2_ClipsforFaceCrop' / 'DailyLife' / 'Happy' / '0010'} holds no frames" in message
    assert not (output / "train.csv").exists()


# Second runs


def test_a_second_run_changes_nothing(replicas, prepare, root, output):
    replicas.write_dfew(root)
    assert prepare("dfew") == 0
    written = {file: file.read_bytes() for file in output.rglob("*.*") if file.is_file()}
    assert prepare("dfew") == 0
    assert {file: file.read_bytes() for file in output.rglob("*.*") if file.is_file()} == written


def test_an_edited_list_is_replaced_only_on_request(replicas, prepare, root, output, capsys):
    replicas.write_dfew(root)
    prepare("dfew")
    edited = output / "fold_1" / "train.csv"
    edited.write_text("mine 1\n")
    (output / "fold_2" / "test.csv").unlink()
    (root / "Clip" / "jpg_256" / "00006" / "00001.jpg").unlink()
    assert prepare("dfew", "--max_missing_fraction", "0.2") == 2
    assert edited.read_text() == "mine 1\n"
    assert not (output / "missing.csv").exists()
    assert not (output / "fold_2" / "test.csv").exists()
    message = capsys.readouterr().err
    assert "00006 holds no frames" in message
    assert f"'{edited}' and 4 more files exist already with other content" in message
    replicas.write(root / "Clip" / "jpg_256" / "00006" / "00001.jpg")
    assert prepare("dfew", "--overwrite") == 0
    assert len(read(edited)) == 6
    assert (output / "fold_2" / "test.csv").exists()


@pytest.mark.parametrize(
    ("existing", "problem"),
    [
        ("fold_2/test.csv/notes.txt", "fold_2/test.csv' is a folder. Move it"),
        ("missing.csv", "missing.csv' is in the way"),
        ("", "there is a file of that name"),
    ],
)
def test_other_files_are_not_replaced(existing, problem, replicas, prepare, root, output, capsys):
    replicas.write_dfew(root)
    replicas.write(output / existing, b"mine")
    assert prepare("dfew", "--overwrite") == 2
    assert problem in capsys.readouterr().err
    assert (output / existing).read_bytes() == b"mine"
    assert not (output / "fold_1" / "train.csv").exists()


def test_missing_clips_that_were_found_are_no_longer_listed(replicas, prepare, root, output):
    replicas.write_dfew(root)
    clip = root / "Clip" / "jpg_256" / "00007" / "00001.jpg"
    clip.unlink()
    prepare("dfew", "--max_missing_fraction", "0.2")
    assert missing_of(output)
    replicas.write(clip)
    assert prepare("dfew", "--overwrite") == 0
    assert not (output / "missing.csv").exists()


def test_a_dry_run_reports_and_writes_nothing(replicas, prepare, root, output, capsys):
    replicas.write_ravdess(root)
    (root / "Actor_01" / "02-01-01-01-01-01-01.mp4").unlink()
    assert prepare("ravdess", "--dry_run") == 1
    output_of_run = capsys.readouterr()
    assert "RAVDESS" in output_of_run.out
    assert "nothing was written" in output_of_run.out
    assert "02-01-01-01-01-01-01.mp4 is not there" in output_of_run.err
    assert not output.exists()


# The report


def test_the_table_counts_clips_by_class_and_split(replicas, prepare, root, capsys):
    replicas.write_dfew(root)
    prepare("dfew")
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["happy", "0/1", "1/0", "1/0", "1/0", "1/0"] in rows
    assert ["fear", "1/0", "1/0", "1/0", "1/0", "1/0"] in rows
    assert ["all", "6/1", "6/1", "6/1", "6/1", "6/1"] in rows


def test_training_reads_the_lists(replicas, prepare, root, output):
    replicas.write_enterface(root)
    prepare("enterface")
    labels = json.loads((output / "labels.json").read_text())
    assert labels == DATASET_LABELS["enterface"]
    videos = load_annotations(output / "fold_2" / "test.csv", data_root=root, label_names=labels)
    assert videos.features["label"].names == labels
    assert all(Path(video).is_file() for video in videos["video"])
    for video, label in zip(videos["video"], videos["label"], strict=True):
        assert Path(video).parts[-3] == labels[label]


@pytest.mark.parametrize(
    ("corpus", "options", "recipe", "folder", "folds"),
    [
        ("dfew", (), "finetune_dfew", "fold_{fold}", ["--folds", "1", "2", "3", "4", "5"]),
        ("dfew", ("--fold", "4"), "finetune_dfew", "fold_{fold}", ["--folds", "4"]),
        ("ferv39k", (), "finetune_ferv39k", "", []),
    ],
)
def test_the_last_line_is_the_command_to_train(
    corpus, options, recipe, folder, folds, replicas, prepare, root, output, capsys
):
    getattr(replicas, f"write_{corpus}")(root)
    prepare(corpus, *options)
    [*_, heading, command] = capsys.readouterr().out.splitlines()
    assert f"from the model in {read_recipe(recipe)['model_name_or_path']} (--model_name_or_path: " in heading
    command = shlex.split(command)
    lists = ["--train_data", str(output / folder / "train.csv"), "--eval_data", str(output / folder / "test.csv")]
    assert command == ["lgi-former", "finetune", recipe, *lists, "--data_root", str(root), *folds]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("dfew", "--fold", "6"), "argument --fold: invalid choice: 6"),
        (("ferv39k", "--fold", "1"), "unrecognized arguments: --fold 1"),
        (("dfew", "--max_missing_fraction", "2"), "'2' is not a share from 0 to 1"),
        (("dfew", "--no_check"), "unrecognized arguments: --no_check"),
    ],
)
def test_wrong_options_are_refused(options, problem, prepare, capsys):
    with pytest.raises(SystemExit) as stopped:
        prepare(*options)
    assert stopped.value.code == 2
    assert problem in capsys.readouterr().err
