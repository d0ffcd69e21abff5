"""Labels of every kind in lists, tables and data sets: what is read, what is inferred, and what is refused."""

import re

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, Features, LargeList, List, Value, concatenate_datasets

from lgi_former.training.data.annotations import load_annotations, load_wanted
from lgi_former.training.data.label_values import label_values, names_of_feature
from lgi_former.training.data.labels import AnnotationError
from lgi_former.training.data.read_labels import task_of_videos, task_sentence
from lgi_former.training.data.tasks import Wanted


def values_of(videos, task=None):
    """The task, the names, and the values of all labels."""
    task, feature = task or task_of_videos(videos), videos.features["label"]
    values = [label_values(label, feature, task) for label in videos["label"]]
    return task, names_of_feature(feature), [np.round(np.asarray(value, np.float64), 6).tolist() for value in values]


@pytest.fixture
def read(tmp_path):
    """`read(text, **options)`: `values_of` the list with this text, a table if its first line has a comma."""

    def write_and_read(text, **options):
        file = tmp_path / ("list.csv" if "," in text.split("\n")[0] else "list.txt")
        file.write_text(text)
        videos = load_annotations(file, "", **options)
        assert videos["video"][:2] == ["a b.mp4", "c.mp4"][: len(videos)]
        return values_of(videos, options.get("task"))

    return write_and_read


VA = ["valence", "arousal"]
AFFECT = ("regression", VA, [[0.35, -0.2], [-1, 0.001]])


@pytest.mark.parametrize("task", ["regression", None])
@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a b.mp4 0.35 -0.2\nc.mp4  -1 1e-3\n", VA),
        ("a b.mp4\t0.35\t-0.2\nc.mp4\t-1.0\t.001\n", VA),
        ("path valence arousal\na b.mp4 +0.35 \u22120.2\nc.mp4 -1 1e-3\n", VA),
        ("path,Valence,AROUSAL\na b.mp4,0.35,-0.2\nc.mp4,-1,1e-3\n", VA),
        ("path,valence,arousal\na b.mp4,0.35,-0.2\nc.mp4,-1,1e-3\n", None),
        (",path,valence,person,arousal\n0,a b.mp4,0.35,ann,-0.2\n1,c.mp4,-1,bob,1e-3\n", None),
        ("arousal,age,path,valence\n-0.2,30,a b.mp4,0.35\n1e-3,40,c.mp4,-1\n", VA),
    ],
)
def test_numbers(text, names, task, read):
    assert read(text, label_names=names, task=task) == AFFECT


def test_one_number(read):
    expected = [[0.5], [2.0]]
    assert read("a b.mp4 0.5\nc.mp4 2.0\n") == ("regression", ["value"], expected)
    assert read("a b.mp4 0.5\nc.mp4 2\n", task="regression") == ("regression", ["value"], expected)
    assert read("path,label\na b.mp4,0.5\nc.mp4,2\n", task="regression", label_names=["bpm"])[1] == ["bpm"]
    assert read("a b.mp4 0.5\nc.mp4 2.0\n", label_names=["bpm"]) == ("regression", ["bpm"], expected)
    assert read("path,label,bpm\na b.mp4,happy,0.5\nc.mp4,sad,2\n", task="regression")[1:] == (["bpm"], expected)


SETS = ("multi_label", ["happy", "sad", "shy"], [[1, 0, 1], [0, 1, 0], [0, 1, 1]])


@pytest.mark.parametrize("task", ["multi_label", None])
@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a b.mp4 happy;shy\nc.mp4 sad\nd.mp4 sad|shy\n", None),
        ("path,label\na b.mp4,shy; happy\nc.mp4,sad\nd.mp4,sad | shy\n", None),
        ('path,label\na b.mp4,"happy, shy"\nc.mp4,sad\nd.mp4,"sad,shy"\n', None),
        ("path,happy,sad,shy\na b.mp4,1,0,1\nc.mp4,0,1,0\nd.mp4,0,1,1\n", None),
        ("path,shy,sad,happy,more\na b.mp4,1,0,1,x\nc.mp4,0,1,0,y\nd.mp4,1,1,0,z\n", SETS[1]),
        ("path,happy,sad,shy\na b.mp4,true,False,TRUE\nc.mp4,0,1,0\nd.mp4,false,true,1\n", None),
    ],
)
def test_several_labels(text, names, task, read):
    assert read(text, label_names=names, task=task) == SETS


def test_no_label_may_apply(read):
    text = "path,label\na b.mp4,happy;sad\nc.mp4,\nd.mp4,sad\n"
    assert read(text, task="multi_label")[2] == [[1, 1], [0, 0], [0, 1]]
    with pytest.raises(AnnotationError, match="line 3: the label is missing"):
        read(text)
    assert read("a b.mp4 0;2\nc.mp4 1\n", task="multi_label")[1:] == (["0", "1", "2"], [[1, 0, 1], [0, 1, 0]])
    names = ["shy;timid", "sad"]
    assert read("path,label\na b.mp4,shy;timid\nc.mp4,sad\n", task="multi_label", label_names=names)[1] == names


SHARES = ("distribution", ["happy", "sad", "fear"], [[0.75, 0.25, 0], [0, 0.4, 0.6]])


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("path,happy,sad,fear\na b.mp4,3,1,0\nc.mp4,0,2,3\n", {"task": "distribution"}),
        ("path,happy,sad,fear,label\na b.mp4,3,1,0,0\nc.mp4,0,2,3,2\n", {"task": "distribution"}),
        ("path,happy,sad,fear\na b.mp4,0.75,0.25,0\nc.mp4,0,.4,0.6\n", {}),
        (
            "path,sad,unknown,fear,happy\na b.mp4,1,6,0,3\nc.mp4,2,5,3,0\n",
            {"task": "distribution", "label_names": SHARES[1]},
        ),
        ("a b.mp4 3 1 0\nc.mp4 0 2 3\n", {"task": "distribution", "label_names": SHARES[1]}),
    ],
)
def test_votes(text, options, read):
    assert read(text, **options) == SHARES


@pytest.mark.parametrize(
    ("text", "task", "names", "expected"),
    [
        ("path,label\na b.mp4,[0 0 1]\nc.mp4,[1]\n", None, None, ("single_label", None, [[0, 0, 1], [1]])),
        (
            "path,label\na b.mp4,0 0 1\nc.mp4,1 1\n",
            None,
            ["x", "y"],
            ("single_label", ["x", "y"], [[0, 0, 1], [1, 1]]),
        ),
        ("path,label\na b.mp4,0 1\nc.mp4,1 1\n", "single_label", None, ("single_label", None, [[0, 1], [1, 1]])),
        (
            "path,label\na b.mp4,\"['shy', 'sad', 'sad']\"\nc.mp4,[sad]\n",
            None,
            None,
            ("single_label", ["sad", "shy"], [[1, 0, 0], [0]]),
        ),
        (
            'path,valence,arousal\na b.mp4,"[0.5, 1]","[0, 2]"\nc.mp4,[1],[-1]\n',
            "regression",
            None,
            ("regression", VA, [[[0.5, 0], [1, 2]], [[1, -1]]]),
        ),
        (
            "path,frame,label\na b.mp4,1,sad\nc.mp4,1,shy\na b.mp4,3,shy\na b.mp4,2,sad\n",
            None,
            None,
            ("single_label", ["sad", "shy"], [[0, 0, 1], [1]]),
        ),
        (
            "path,frame,label\na b.mp4,0,sad;shy\na b.mp4,1,\nc.mp4,0,shy\n",
            "multi_label",
            None,
            ("multi_label", ["sad", "shy"], [[[1, 1], [0, 0]], [[0, 1]]]),
        ),
        (
            "path,frame,x,y\na b.mp4,0,1,3\na b.mp4,1,2,2\nc.mp4,0,1,0\n",
            "distribution",
            None,
            ("distribution", ["x", "y"], [[[0.25, 0.75], [0.5, 0.5]], [[1, 0]]]),
        ),
    ],
)
def test_labels_of_frames(text, task, names, expected, read):
    if "b.mp4,0 1\n" in text:  # as many labels in each list
        with pytest.raises(AnnotationError, match="line 2: '0 1' looks like several labels: of the video, or one of"):
            read(text, task=task, label_names=names)
        assert read(text, task=task, label_names=names, frame_level=True) == expected
    else:
        assert read(text, task=task, label_names=names) == expected


def test_the_task_is_said():
    assert (
        task_sentence("regression", VA, is_inferred=True) == "Task: regression of valence, arousal (from the labels)."
    )
    assert task_sentence("single_label", ["sad"], of_frames=True) == "Task: single_label of sad for each frame."
    assert task_sentence("single_label", list("abcdefghijklmnopqrstuvwxyz")).endswith(" s, t, ....")


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        # numbers
        ("a.mp4 0,35\n", {}, "line 1: the value '0,35' of 'value' has a decimal comma"),
        ("path;v\na.mp4;0,35\nb.mp4;0,5\n", {}, "line 2: the value '0,35' of 'v' has a decimal comma"),
        ("path,v\na.mp4,0.5\nb.mp4,nan\n", {}, r"line 3: the value of 'v' is missing \('nan'\)"),
        ("path,v\na.mp4,0.5\nb.mp4,\n", {}, r"line 3: the value of 'v' is missing \(''\)"),
        (
            "path,v,w\na.mp4,0.5,1.5\nb.mp4,inf,1.5\nc.mp4,0.5,1.5\n",
            {},
            "line 3: the value 'inf' of 'v' is not a number",
        ),
        ("path,v\na.mp4,0.5\nb.mp4,1e99\n", {}, "line 3: the value 1e.99 of 'v' is missing or too large"),
        ("a.mp4 0.5 0.1\n", {"task": "regression"}, "line 1: something follows the video in 'a.mp4 0.5'"),
        ("clip1 0.5 0.1\n", {}, "line 1: two numbers may follow the path, one of them in 'clip1 0.5'. Name them"),
        ("a.mp4 0.5 0.1\nb.mp4 0.5\n", {"task": "regression", "label_names": VA}, "line 2: fewer than 2 numbers"),
        (
            "a.mp4 0.5 1 0.1\n",
            {"task": "regression", "label_names": VA},
            "line 1: more than 2 numbers follow the path",
        ),
        (
            "a.mp4 0.5 x\n",
            {"task": "regression", "label_names": VA},
            "line 1: the value 'x' of 'arousal' is not a number",
        ),
        ("path,v\na.mp4,1\n", {"task": "regression", "label_names": VA}, "line 1: no column is called 'valence'"),
        ("path,label\na.mp4,1\n", {"task": "regression", "label_names": VA}, "names valence, arousal, which are 2"),
        ("path,name\na.mp4,x\n", {"task": "regression"}, "line 2: there are no labels for --task regression"),
        ("path,score\na.mp4,50%\nb.mp4,7 %\n", {}, "line 2: the value '50%' of 'score' has a sign beside the number"),
        ("path,{x}\na.mp4,50%\nb.mp4,1\n", {}, "line 2: the value '50%' of '{x}' has a sign beside the number"),
        ('path,{}\na.mp4,0.5\nb.mp4,"0,5"\n', {}, "line 3: the value '0,5' of '{}' has a dec"),
        ("a.mp4 1 2\nb.mp4 3\n", {"task": "regression", "label_names": ["x", "{0}"]}, r"--labels names x, \{0\}"),
        ("path,x,y\na.mp4,0.5,$3\nb.mp4,1,~4\n", {}, "line 2: the value '.3' of 'y' has a sign beside the number"),
        ("path,x\na.mp4,36.6°C\n", {"label_names": ["x"]}, "line 2: the value '36.6°C' of 'x' has a sign beside"),
        ("a.mp4 50%\nb.mp4 12%\n", {}, "line 1: the label '50%' is a number with a sign. For a quantity, write"),
        ("a.mp4 50%\nb.mp4 1%\n", {"task": "regression"}, "line 1: the value '50%' of 'value' has a sign beside"),
        ("path,label\na.mp4,sad\n", {"task": "distribution"}, "line 1: each video has one label, but --task distr"),
        ("path,label\na.mp4,0\nb.mp4,1\n", {"task": "distribution"}, "line 1: each video has one label, but --task d"),
        (
            "path,label\na.mp4,sad\nb.mp4,shy\n",
            {"task": "distribution", "label_names": ["sad", "shy"]},
            "line 2: each video has one label, but --task distribution",
        ),
        ("a.mp4 sad\nb.mp4 shy\n", {"task": "distribution"}, "line 1: each video has one label, but --task distr"),
        ("path,label,name\na.mp4,sad,x\n", {"task": "regression"}, "line 1: each video has one label, but --task re"),
        ("a.mp4 x;y\nb.mp4 x\n", {"frame_level": True}, "line 1 has one label for each video, but labels of frames"),
        ("a.mp4\n", {"task": "multi_label"}, "line 1: there are no labels for --task multi_label"),
        ("path,v,V\na.mp4,0.5,0.1\n", {}, "several columns are called 'v'. Keep one"),
        ("path,label,v\na.mp4,1,0.5\n", {"task": "regression"}, "hold numbers, and 'label' may be no label. Say"),
        ("path,v,frame_count\na.mp4,0.5,30\n", {}, "columns v, frame_count hold numbers, and 'frame_count' may be no"),
        ("ID,path,happy,sad\n1,a.mp4,1,2\n", {"task": "distribution"}, "hold numbers, and 'ID' may be no label. Say"),
        # classes that apply
        ("path,label\na.mp4,happy;\nb.mp4,sad\n", {"task": "multi_label"}, "line 2: .*'happy;' has an empty part"),
        ("a.mp4 happy;happy\n", {"task": "multi_label"}, "line 1: .* repeats a class"),
        (
            "a.mp4 happy;sat\n",
            {"task": "multi_label", "label_names": ["happy", "sad"]},
            "'sat' is unknown .is it 'sad'",
        ),
        ("a.mp4 1;2\n", {"task": "multi_label"}, "classes count from 0, but the smallest label is 1"),
        ("path,x,y\na.mp4,1,0\nb.mp4,2,0\n", {"task": "multi_label"}, "line 3: '2' of 'x' is not 0, 1, true or false"),
        ("path,x,y\na.mp4,true,0\nb.mp4,2,0\nc.mp4,1,1", {}, "line 3: '2' of 'x' is not 0, 1, true or false"),
        # votes
        ("path,x,y\na.mp4,1,0\nb.mp4,0,0\n", {"task": "distribution"}, "line 3: there is no vote for x, y"),
        ("path,x,y\na.mp4,1,0\nb.mp4,3,-1\n", {"task": "distribution"}, "line 3: 'y' has -1 votes"),
        ("path,x\na.mp4,1\n", {"task": "distribution"}, "a distribution needs columns of two classes, not only 'x'"),
        # labels of frames
        ("path,label\na.mp4,[0 1]\nb.mp4,[]\n", {"frame_level": True}, "line 3: the label '' stands for a missing"),
        ("path,x,y\na.mp4,[0.5 1],[1]\n", {"frame_level": True, "task": "regression"}, "line 2: .* different lengths"),
        ('path,label\na.mp4,"[0,5 1,5]"\n', {"frame_level": True}, "line 2: .* has two kinds of separators"),
        (
            "path,label\na.mp4,[0 1 1]\nb.mp4,[1]\n",
            {"frame_level": False},
            "line 2: '.0 1 1.' looks like several labels",
        ),
        ("path,frame,label\na.mp4,0,x\na.mp4,2,y\n", {}, "line 3: the frames of 'a.mp4' are not numbered 0, 1, ..."),
        ("path,frame,label\na.mp4,0,x\na.mp4,0,y\n", {}, "line 3: the frames of 'a.mp4' are not numbered 0, 1, ..."),
        ("path,frame,label\na.mp4,0,x\na.mp4,b,y\n", {}, "line 3: the frame 'b' is not a whole number from 0"),
        # two meanings
        ("a.mp4 0.0\nb.mp4 1.0\n", {}, "line 1: the label '0.0' is a real number. For classes, .* --task regression"),
        ("a.mp4 1\nb.mp4 0.5\n", {}, "line 2: the label '0.5' is a real number. For classes, .* --task regression"),
        ("path,x\na.mp4,0\nb.mp4,1\n", {}, "numbers of x .* multi_label if .* or regression if"),
        ("path,x\na.mp4,3\nb.mp4,1\n", {}, "the column 'x' may hold class indices or a quantity"),
        ("path,x,y\na.mp4,0.0,1.0\nb.mp4,1.0,1.0\n", {}, "numbers of x, y .* multi_label if .* or regression if"),
        ("path,x,y\na.mp4,0,1\nb.mp4,1,0\n", {}, "multi_label if .*, distribution if each row has one vote, or regr"),
        ("path,x,y\na.mp4,2,1\nb.mp4,1,7\n", {}, "numbers of x, y .* --task distribution if they are votes, or regr"),
        ("path,x,y\na.mp4,20.5,79.5\nb.mp4,10,90\n", {}, "--task distribution if they are shares, or regression"),
        (
            "a.mp4 happy;sad\nb.mp4 fear\n",
            {},
            "line 1: the label 'happy;sad' looks like several .* --task multi_label",
        ),
        (
            "path,x\na.mp4,0.5\na.mp4,0.7\n",
            {},
            "line 3 gives 'a.mp4' another label than .*, line 2. Leave one",
        ),
        ("a.mp4 0.5\n", {"label_names": ["x", "x"]}, "repeat a name"),
    ],
)
def test_labels_that_are_refused(text, options, message, tmp_path):
    file = tmp_path / ("list.csv" if text.startswith("path") else "list.txt")
    file.write_text(text)
    with pytest.raises(AnnotationError) as caught:
        load_annotations(file, **options)
    assert re.search(message, str(caught.value)) and "\n" not in str(caught.value)


def test_class_folders_have_one_class(tmp_path):
    (tmp_path / "happy").mkdir()
    (tmp_path / "happy" / "a.mp4").touch()
    with pytest.raises(AnnotationError, match=r"give each video one class\. Write a list for --task regression"):
        load_annotations(tmp_path, task="regression")


def test_other_columns_are_no_labels_unless_asked(tmp_path, caplog):
    (tmp_path / "list.csv").write_text("path,seconds\na.mp4,2.5\nb.mp4,3\n")
    assert load_wanted(tmp_path / "list.csv", None, Wanted(may_be_columns=False)).column_names == ["video"]
    assert "Not read: 'seconds'" in caplog.text
    assert load_annotations(tmp_path / "list.csv", task="single_label").column_names == ["video"]


CLASSES = ClassLabel(names=["happy", "sad"])
FLOATS = {"valence": Value("float32"), "arousal": Value("float64")}


@pytest.mark.parametrize(
    ("labels", "feature", "options", "expected"),
    [
        ([[0, 1], [1]], List(CLASSES), {}, ("multi_label", ["happy", "sad"], [[1, 1], [0, 1]])),
        ([["sad"], ["shy", "sad"]], List(Value("string")), {}, ("multi_label", ["sad", "shy"], [[1, 0], [1, 1]])),
        ([[0, 0, 1], [1]], List(CLASSES), {}, ("single_label", ["happy", "sad"], [[0, 0, 1], [1]])),
        ([[0, 1], [1]], List(CLASSES), {"task": "single_label"}, ("single_label", ["happy", "sad"], [[0, 1], [1]])),
        (
            [{"valence": 0.5, "arousal": -1}, {"valence": 1, "arousal": 2}],
            FLOATS,
            {},
            ("regression", VA, [[0.5, -1], [1, 2]]),
        ),
        ([[0.5, -1], [1, 2]], List(Value("float32")), {"label_names": VA}, ("regression", VA, [[0.5, -1], [1, 2]])),
        (
            [[3, 1], [1, 1]],
            List(Value("int64")),
            {"label_names": VA, "task": "distribution"},
            ("distribution", VA, [[0.75, 0.25], [0.5, 0.5]]),
        ),
        (
            [[0.5], [1, 2]],
            List(Value("float32")),
            {"frame_level": True},
            ("regression", ["value"], [[[0.5]], [[1], [2]]]),
        ),
        ([[{"valence": 0.5, "arousal": -1}], []], List(FLOATS), {}, ("regression", VA, [[[0.5, -1]], []])),
        (
            [[[0, 1], []], [[1]]],
            List(List(CLASSES)),
            {},
            ("multi_label", ["happy", "sad"], [[[1, 1], [0, 0]], [[0, 1]]]),
        ),
        ([0.5, 1.5], Value("float32"), {}, ("regression", ["value"], [[0.5], [1.5]])),
        # the names give the order
        (
            [{"arousal": 0.5, "age": 30, "valence": 2}, {"arousal": 1, "age": 40, "valence": -1}],
            {"arousal": Value("float32"), "age": Value("float32"), "valence": Value("float32")},
            {"label_names": VA, "task": "regression"},
            ("regression", VA, [[2, 0.5], [-1, 1]]),
        ),
        (
            [[{"arousal": 0.5, "valence": 2}], []],
            List({"arousal": Value("float32"), "valence": Value("float32")}),
            {"label_names": VA},
            ("regression", VA, [[[2, 0.5]], []]),
        ),
        # one whole number for each name, and no set of indices
        (
            [[0, 1], [1, 0]],
            List(Value("int64")),
            {"label_names": VA, "task": "multi_label"},
            ("multi_label", VA, [[0, 1], [1, 0]]),
        ),
        (
            [[1, 0], [3, 4]],
            List(Value("int64")),
            {"label_names": VA, "task": "regression"},
            ("regression", VA, [[1, 0], [3, 4]]),
        ),
        ([[0, 1], [1]], LargeList(CLASSES), {}, ("multi_label", ["happy", "sad"], [[1, 1], [0, 1]])),
        # names of classes may hold the separators of lists
        (
            [[0, 1], [1]],
            List(ClassLabel(names=["a, b", "c|d"])),
            {},
            ("multi_label", ["a, b", "c|d"], [[1, 1], [0, 1]]),
        ),
        (
            [["x;y", "sad"], ["sad"]],
            List(Value("string")),
            {"label_names": ["sad", "x;y"]},
            ("multi_label", ["sad", "x;y"], [[1, 1], [1, 0]]),
        ),
        # labels of frames are inferred as in lists
        (
            [["sad;shy", "sad", "sad"], ["shy"]],
            List(Value("string")),
            {},
            ("multi_label", ["sad", "shy"], [[[1, 1], [1, 0], [1, 0]], [[0, 1]]]),
        ),
    ],
)
def test_labels_of_data_sets(labels, feature, options, expected):
    features = Features({"video": Value("string"), "label": feature})
    source = Dataset.from_dict({"video": ["a.mp4", "b.mp4"], "label": labels}, features)
    videos = load_annotations(source, **options)
    assert values_of(videos, options.get("task")) == expected
    again = load_annotations(videos, task=options.get("task"))
    assert values_of(again, options.get("task")) == expected


SUMS_TO_1 = [{"happy": 0.25, "sad": 0.75}, {"happy": 1, "sad": 0}]
OTHER_SUMS = [{"happy": 0.25, "sad": 0.5}, {"happy": 1, "sad": 0}]
BELOW_0 = [{"happy": -0.5, "sad": 1.5}, {"happy": 1, "sad": 0}]
ROUNDED = [{"happy": 0.33, "sad": 0.665}, {"happy": 1, "sad": 0}]
NUMBERS = {"happy": Value("float64"), "sad": Value("float64")}


@pytest.mark.parametrize(
    ("labels", "feature", "task"),
    [
        (SUMS_TO_1, NUMBERS, "distribution"),
        (ROUNDED, NUMBERS, "distribution"),
        (OTHER_SUMS, NUMBERS, "regression"),
        (BELOW_0, NUMBERS, "regression"),
        ([{"happy": 1.0}, {"happy": 1.0}], {"happy": Value("float64")}, "regression"),
        ([SUMS_TO_1, SUMS_TO_1[:1]], List(dict.fromkeys(NUMBERS, Value("float32"))), "distribution"),
        ([SUMS_TO_1, OTHER_SUMS], List(dict.fromkeys(NUMBERS, Value("float32"))), "regression"),
        ([[0, 1], [1]], List(CLASSES), "multi_label"),
        ([[0, 0], [1]], List(CLASSES), "single_label"),
        ([[[0], [0, 1]], []], List(List(CLASSES)), "multi_label"),
    ],
)
def test_the_task_is_in_the_data_alone(labels, feature, task, tmp_path):
    """It outlives Parquet, joining and editing, which lose or mix up descriptions."""
    features = Features({"video": Value("string"), "label": feature})
    source = Dataset.from_dict({"video": ["a.mp4", "b.mp4"], "label": labels}, features)
    source.info.description = "Task: regression of x."
    source.to_parquet(tmp_path / "rows.parquet")
    stored = Dataset.from_parquet(str(tmp_path / "rows.parquet"), cache_dir=str(tmp_path / "cache"))
    for videos in (source, stored, concatenate_datasets([stored, source.select([0])])):
        assert task_of_videos(videos) == task
    if task == "distribution":
        assert task_of_videos(load_annotations(stored)) == task


def test_an_edited_data_set_has_the_task_of_its_labels():
    source = Dataset.from_dict({"video": ["a.mp4", "b.mp4"], "label": SUMS_TO_1})
    videos = load_annotations(source).map(
        lambda row: {"label": {name: 2 * row["label"][name] for name in row["label"]}}
    )
    assert task_of_videos(videos) == "regression"


def test_columns_of_data_sets():
    source = Dataset.from_dict({"video": ["a.mp4", "b.mp4"], "arousal": [0.5, 1], "valence": [2.0, -1]})
    assert values_of(load_annotations(source, label_names=VA)) == ("regression", VA, [[2, 0.5], [-1, 1]])
    assert load_annotations(source).column_names == ["video"]
    other = source.add_column("label", [0, 1]).rename_column("valence", "Valence")
    assert values_of(load_annotations(other, label_names=VA, task="regression"))[2] == [[2, 0.5], [-1, 1]]
    assert values_of(load_annotations(other, label_names=["arousal"], task="regression"))[2] == [[0.5], [1]]


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        ([[0.5, 1.0], [0.1, 0.2]], {}, "Name the numbers of a video with label_names, or pass frame_level=True"),
        ([{"x": 1.0, "y": None}, {"x": 1.5, "y": 1}], {}, "Row 0 of the data set: the value nan of 'y' is missing"),
        ([[0, 1], None], {}, "Row 1 of the data set has no label"),
        ([[[0], [1]], [[1], None]], {"frame_level": True}, "Row 1 of the data set has a frame without a label"),
        ([[0, 0], [None, 1]], {}, "Row 1 of the data set has a frame without a label"),
        ([{"x": 1, "y": 2}, {"x": 3, "y": 1}], {}, "numbers of x, y may mean different things"),
        ([{"x": 0.5}, {"x": 1.5}], {"label_names": ["y"]}, "The column label has no field 'y' of label_names, only x"),
        ([{"x": 0.5}, {"x": 1.5}], {"task": "single_label"}, "has the fields x in a row, which are no single label"),
        ([["x", "y"], ["x"]], {"task": "distribution"}, "which is not one number for each name of label_names"),
        ([0.5, 1.0], {"frame_level": True}, "Row 0 of the data set has one label for each video"),
    ],
)
def test_labels_of_data_sets_that_are_refused(labels, options, message):
    with pytest.raises(AnnotationError, match=message):
        load_annotations(Dataset.from_dict({"video": ["a.mp4", "b.mp4"], "label": labels}), **options)


@pytest.mark.parametrize("task", ["regression", "distribution"])
@pytest.mark.parametrize("labels", [[0, 1], [[0, 1], [1]], [[0, 0], [1]]])
def test_classes_of_a_data_set_are_no_numbers(labels, task):
    classes = ClassLabel(names=["1", "2", "3"])
    features = Features({"video": Value("string"), "label": classes if labels == [0, 1] else List(classes)})
    source = Dataset.from_dict({"video": ["a.mp4", "b.mp4"], "label": labels}, features)
    with pytest.raises(AnnotationError, match=rf"has classes \(1, 2, 3\), but the task {task} needs numbers"):
        load_annotations(source, task=task)
