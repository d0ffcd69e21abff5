"""Checkpoints that somebody crafted or damaged: a sentence within seconds, without a large allocation."""

import collections
import io
import random
import struct
import tarfile
import zipfile

import pytest
import torch

from lgi_former import convert_mae_dfer_checkpoint
from lgi_former.conversion.pickled_tensors import MAX_OPCODES
from lgi_former.conversion.published_file import PublishedFile

from .test_conversion import GIVEN, golden, save


def weights_and_arguments():
    _, weights, _, arguments = golden("classification_default")
    return {name: weight.float() for name, weight in weights.items()}, arguments


def write_zip(path, pickled, records=(), **options):
    """Write a zip archive with the names that torch.save gives its entries."""
    with zipfile.ZipFile(path, "w", **options) as archive:
        archive.writestr("archive/data.pkl", pickled)
        for name, content in records:
            archive.writestr(f"archive/data/{name}", content)
    return path


def tensor_pickle(
    numel=4, offset=0, shape=(4,), stride=(1,), key="0", kind="FloatStorage", function="_rebuild_tensor_v2"
):
    """The pickle of `{"model": {"w": tensor}}` with any numbers."""

    def number(value):
        return b"J" + struct.pack("<i", value)

    def text(value):
        return b"X" + struct.pack("<I", len(value)) + value.encode()

    def numbers(values):
        return b"(" + b"".join(map(number, values)) + b"t"

    storage = b"(" + text("storage") + f"ctorch\n{kind}\n".encode() + text(key) + text("cpu") + number(numel) + b"tQ"
    tensor = (
        f"ctorch._utils\n{function}\n".encode() + b"(" + storage + number(offset) + numbers(shape) + numbers(stride)
    )
    return b"\x80\x02}(" + text("model") + b"}(" + text("w") + tensor + b"\x89}tRuu."


def test_a_hand_written_tensor_is_read(tmp_path):
    path = write_zip(tmp_path / "a.pth", tensor_pickle(), [("0", struct.pack("<4f", 1, 2, 3, 4))])
    assert PublishedFile(path).weights["w"].tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"numel": 2**30, "shape": (2**30,)}, "needs 1,073,741,824 numbers, which its record does not have"),
        ({"shape": (2**30,), "stride": (0,)}, "has only 4 stored numbers"),
        ({"shape": (4,), "stride": (2,)}, "has only 4 stored numbers"),
        ({"shape": (2,), "offset": 3}, "has only 4 stored numbers"),
        ({"shape": (-1,)}, "without a valid shape"),
        ({"shape": (2, 2)}, "without a valid shape"),
        ({"key": "1"}, "which its record does not have"),
        ({"key": "../data.pkl"}, "which its record does not have"),
        ({"kind": "LongStorage", "numel": 2, "shape": (2,)}, "dtype torch.int64. Expected floating-point"),
        ({"kind": "Tensor"}, "refused: loading it would call torch.Tensor"),
        ({"function": "_rebuild_sparse_tensor"}, "refused: loading it would call torch._utils._rebuild_sparse_tensor"),
        ({"shape": (0,), "stride": (1,)}, r"shape \(0,\)"),
    ],
)
def test_tensors_that_the_file_does_not_hold(options, message, tmp_path):
    path = write_zip(tmp_path / "a.pth", tensor_pickle(**options), [("0", bytes(16))])
    with pytest.raises(ValueError, match=f"a.pth.*{message}"):
        PublishedFile(path)


DOUBLED = b")" + b"".join(b"q" + bytes([index]) + b"h" + bytes([index]) + b"\x86" for index in range(60))
NESTED = b"]" * 5_000_000 + b"a" * 4_999_999


@pytest.mark.parametrize(
    ("pickled", "message"),
    [
        (b"\x80\x02" + NESTED + b".", f"more than {MAX_OPCODES:,} instructions"),
        (b"\x80\x02}" + DOUBLED + b"K\x01s.", "a key that is no plain value"),
        (b"\x80\x02}(" + DOUBLED + b"K\x01u.", "a key that is no plain value"),
        (b"\x80\x02ccollections\nOrderedDict\n(" + DOUBLED + b"tR.", "is damaged"),
        (b"\x80\x02K\x01r\xff\xff\xff\x7f.", "memo index 2,147,483,647"),
        (b"\x80\x02}\x8a\xff" + bytes(254) + b"\x01K\x01s.", "more than 64 bits"),
        (b"\x80\x02cargparse\nNamespace\n}X\x01\x00\x00\x00aK\x01sb.", "changes a class"),
        (b"\x80\x02cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R.", "would call builtins.bytearray"),
        (b"\x80\x02X\xff\xff\xff\xffa.", "not a checkpoint"),
        (b"\x80\x05\x8c\x01a\x94.", "SHORT_BINUNICODE, which torch.save does not write"),
        (b"\x80\x02K\x01a.", "is damaged"),
        (b"", "not a checkpoint"),
        (b"\x80\x02}", "not a checkpoint"),
    ],
    ids=range(13),
)
def test_pickles_that_never_end_or_allocate(pickled, message, tmp_path):
    with pytest.raises(ValueError, match=f"a.pth.*{message}"):
        PublishedFile(write_zip(tmp_path / "a.pth", pickled))


def test_archives_that_torch_does_not_write(tmp_path):
    whole = io.BytesIO()
    torch.save({"model": {"w": torch.zeros(4)}}, whole)
    path, cases = tmp_path / "a.pth", {}
    cases["is a zip archive with compressed entries"] = lambda: write_zip(
        path, bytes(10**7), compression=zipfile.ZIP_DEFLATED
    )
    cases["has 0 entries data.pkl"] = lambda: zipfile.ZipFile(path, "w").close()
    cases["is in the format of PyTorch before 1.6"] = lambda: torch.save(
        {"model": {"w": torch.zeros(4)}}, path, _use_new_zipfile_serialization=False
    )
    cases["is not a complete PyTorch checkpoint"] = lambda: path.write_bytes(whole.getvalue()[:-30])
    cases["seems to be a safetensors file"] = lambda: path.write_bytes(struct.pack("<Q", 2) + b"{}")
    for message, write in cases.items():
        write()
        with pytest.raises(ValueError, match=f"a.pth.*{message}"):
            PublishedFile(path)
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("storages"))
    with pytest.raises(ValueError, match=r"before 1\.6"):
        PublishedFile(path)
    with pytest.warns(UserWarning, match="Duplicate name"):
        write_zip(path, tensor_pickle(), [("0", bytes(16)), ("0", bytes(16))])
    with pytest.raises(ValueError, match="names that occur twice"):
        PublishedFile(path)


def test_a_flipped_bit_is_found(tmp_path):
    weights, arguments = weights_and_arguments()
    path = save(tmp_path / "a.pth", weights, **arguments)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.pth .*is not a complete PyTorch checkpoint"):
        PublishedFile(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.update({5: torch.zeros(1)}), "name 5. Names of weights must be strings"),
        (lambda w: w.update({"module.head.bias": torch.zeros(1)}), "has a weight twice"),
        (lambda w: w.update({"a" * 10**6: torch.zeros(1)}), "unexpected"),
        (lambda w: w.update({"blocks.99999999999.x": torch.zeros(1)}), "without a gap, found 99999999999"),
        (lambda w: w.update({"blocks." + "9" * 9999 + ".x": torch.zeros(1)}), "without a gap"),
        (lambda w: w.update({"blocks.²": torch.zeros(1)}), "without a gap"),
        (lambda w: w.update({"a\nb": torch.zeros(1)}), r"'a\\nb' unexpected"),
        (lambda w: w.pop("blocks.0.mlp.fc1.weight"), "has no weight 'blocks.0.mlp.fc1.weight'"),
        (lambda w: w.pop("blocks.1.mlp.fc1.weight"), "blocks.1.mlp.fc1.weight missing"),
        (lambda w: w.update({"patch_embed.proj.weight": torch.zeros(8)}), r"shape \(8,\). Expected 5 dimensions"),
        (lambda w: w.update({"lg_region_tokens": torch.tensor(0.0)}), r"shape \(\). Expected 2 dimensions"),
        (lambda w: w.update({"head.weight": torch.zeros(3)}), r"'head.weight' of shape \(3,\)"),
        (lambda w: w.update({"blocks.0.first_attn.kv.weight": torch.tensor(0.0)}), r"kv.weight.*has shape \(\)"),
        (lambda w: w.update({"blocks.0.first_attn.kv.weight": torch.zeros(3, 8)}), r"kv.weight.*has shape \(3, 8\)"),
        (lambda w: w["head.bias"].fill_(torch.nan), "NaN or infinite values in head.bias"),
        (lambda w: w.update({"patch_embed.proj.weight": torch.zeros(2**16, 3, 2, 1, 1)}), " needs? "),
        (lambda w: w.update({"head.bias": torch.zeros(1).expand(2**30)}), "has only 1 stored numbers"),
    ],
    ids=range(17),
)
def test_weights_of_no_model(change, message, tmp_path):
    weights, arguments = weights_and_arguments()
    change(weights)
    path = save(tmp_path / "a.pth", weights, **arguments)
    with pytest.raises(ValueError, match=rf"a\.pth.*{message}") as caught:
        convert_mae_dfer_checkpoint(path, tmp_path / "out", **GIVEN)
    assert len(str(caught.value)) < 800 + 4 * len(str(tmp_path)) and not (tmp_path / "out").exists()


def doubled():
    """A small pickle whose text has 2**60 parts."""
    value = collections.OrderedDict()
    for _ in range(60):
        value = collections.OrderedDict(a=value, b=value)
    return value


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("lg_region_size", 5),
        ("lg_region_size", [2, "5", 10]),
        ("lg_region_size", [2, 5]),
        ("input_size", "160"),
        ("input_size", [160]),
        ("input_size", 10**7),
        ("num_frames", True),
        ("num_frames", torch.zeros(1)),
        ("num_frames", -16),
        ("mask_ratio", "0.9"),
        ("lg_classify_token_type", {"a": 1}),
        ("head_activation_func", 3),
        ("sampling_rate", 0.5),
        ("sampling_rate", -1),
        ("data_set", ["dfew"]),
        ("data_path", doubled()),
    ],
)
def test_arguments_of_a_wrong_type(argument, value, tmp_path):
    weights, arguments = weights_and_arguments()
    path = save(tmp_path / "a.pth", weights, **(arguments | {argument: value}))
    given = {"num_attention_heads": 2}
    with pytest.raises(ValueError, match=r"a\.pth|sampling_rate=-1"):
        convert_mae_dfer_checkpoint(path, tmp_path / "out", **given)


def test_many_random_changes_are_sentences(tmp_path):
    """120 changes of the bytes of a file: the same weights, or a `ValueError` that names the file."""
    weights, arguments = weights_and_arguments()
    path = save(tmp_path / "a.pth", weights, **arguments)
    whole, dice = path.read_bytes(), random.Random(0)
    with zipfile.ZipFile(path) as archive:
        entries = [(info, archive.read(info)) for info in archive.infolist()]
    for _ in range(120):
        pickled = bytearray(entries[0][1])
        for _ in range(dice.choice([1, 1, 3, 20])):
            pickled[dice.randrange(len(pickled))] = dice.randrange(256)
        with zipfile.ZipFile(path, "w") as archive:
            for info, content in entries:
                archive.writestr(info.filename, bytes(pickled) if info is entries[0][0] else content)
        if dice.random() < 0.3:
            content = bytearray(whole)
            content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
            path.write_bytes(content[: dice.choice([len(content), dice.randrange(len(content))])])
        try:
            PublishedFile(path)
        except ValueError as error:
            assert "a.pth" in str(error)
