"""Failures to write become a sentence that names the place, and leave what was there before."""

import errno
import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from lgi_former.export.program import write_torch
from lgi_former.files import NotWrittenError, explained_write_errors, whole_file, whole_files


resource = pytest.importorskip("resource")


@pytest.fixture
def small_files():
    """No file of this process can be larger than 4,000 bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


WRITE = {
    "bytes": lambda path: path.write_bytes(bytes(10_000)),
    "torch": lambda path: torch.save({"weight": torch.zeros(3000)}, path),
    "torch, in many sizes": lambda path: [torch.save(torch.zeros(size), path) for size in range(0, 1200, 40)],
    "copy": lambda path: shutil.copyfile(torch.__file__, path),  # its error names the source first
    "safetensors": lambda path: save_file({"weight": torch.zeros(3000)}, path),
}


def write_whole_file(path, write):
    with whole_file(path) as file:
        write(file)


def write_whole_files(folder, write):
    with whole_files(folder) as written:
        write(written / "file")


@pytest.mark.parametrize("write", WRITE.values(), ids=WRITE)
def test_files_that_are_too_large(write, tmp_path, small_files):
    path = tmp_path / "file"
    path.write_text("earlier")
    with pytest.raises(
        NotWrittenError, match=rf"^'{path}' cannot be written: .* Other files that were complete before"
    ):
        write_whole_file(path, write)
    with pytest.raises(NotWrittenError, match=rf"^'{tmp_path}' cannot be written: ") as error:
        write_whole_files(tmp_path, write)
    assert "\n" not in str(error.value)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    assert path.read_text() == "earlier"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS])
def test_the_reason_is_named(code, tmp_path):
    message = f"'{tmp_path}' cannot be written: {os.strerror(code)}. "
    with pytest.raises(NotWrittenError, match=message), explained_write_errors(tmp_path):
        raise OSError(code, os.strerror(code))
    with pytest.raises(NotWrittenError, match=message), explained_write_errors(tmp_path):
        raise RuntimeError("a library failed") from OSError(code, os.strerror(code))


@pytest.mark.parametrize(
    "error",
    [
        PermissionError(errno.EACCES, "Permission denied", "/somewhere/list.csv"),
        OSError(errno.ENOSPC, "No space left on device", "/somewhere/cache"),
        FileNotFoundError(errno.ENOENT, "No such file or directory"),
        RuntimeError("The sizes of tensors do not match"),
        RuntimeError("[enforce fail at inline_container.cc:205] . PytorchStreamReader failed reading zip"),
        ValueError("No space left on device"),
    ],
)
def test_other_errors_do_not_change(error, tmp_path):
    for place in (tmp_path, tmp_path / "figure.png"):
        with pytest.raises(type(error)) as raised, explained_write_errors(place):
            raise error
        assert raised.value is error


def test_an_unreadable_file_beside_the_output(tmp_path):
    error = PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "input.json"))
    with pytest.raises(PermissionError) as raised, explained_write_errors(tmp_path / "figure.png"):
        raise error
    assert raised.value is error


def test_a_folder_that_cannot_be_created(tmp_path, monkeypatch):
    def refuse(path, *args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(NotWrittenError, match=r"out' cannot be written: Permission denied\. .* Change its permi"):
        write_whole_files(tmp_path / "out", Path.touch)


def test_an_export_on_a_full_disk(tmp_path, small_files):
    """If PyTorch writes the file of a program itself, it aborts this process."""
    program = torch.export.export(torch.nn.Linear(40, 40), (torch.zeros(1, 40),))
    with pytest.raises(NotWrittenError, match="File too large"), explained_write_errors(tmp_path):
        write_torch(program, tmp_path)
