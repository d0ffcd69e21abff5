"""Reading of the pickle in a `.pth` file: names and shapes, without tensors and without foreign code.

`torch.load(weights_only=True)` runs no foreign code, but a small file can make it allocate any amount of memory or
compute without end. Here, an opcode limit and the records of the file bound both.
"""

import io
import math
import pickle
import pickletools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch


MAX_OPCODES = 300_000
"""The pickle of a released model has about 30,000."""

_OPCODE_NAMES = (
    "PROTO GLOBAL BINPUT LONG_BINPUT BINGET LONG_BINGET EMPTY_DICT EMPTY_LIST EMPTY_TUPLE MARK TUPLE TUPLE1 TUPLE2 "
    "TUPLE3 BININT BININT1 BININT2 LONG1 BINFLOAT BINUNICODE SHORT_BINSTRING NEWTRUE NEWFALSE NONE REDUCE NEWOBJ "
    "BUILD APPEND APPENDS SETITEM SETITEMS BINPERSID STOP"
)
_OPCODES = frozenset(_OPCODE_NAMES.split())
"""Those that `torch.save` writes and `torch.load(weights_only=True)` reads."""

_DTYPE_OF_STORAGE = {
    "torch.FloatStorage": torch.float32,
    "torch.DoubleStorage": torch.float64,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16,
    "torch.CharStorage": torch.int8,
    "torch.ByteStorage": torch.uint8,
    "torch.BoolStorage": torch.bool,
}

_CONTAINER, _GLOBAL, _PLAIN = "container", "global", "plain"


class UnsafeGlobalError(ValueError):
    """A pickle that would call something. The message is its name."""


class Storage(NamedTuple):
    """Numbers in a record of the file: the record's key, the dtype, and how many there are."""

    key: str
    dtype: torch.dtype
    numel: int


class StoredTensor(NamedTuple):
    """A tensor in a file: a view of a storage. Offset and strides count elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of the elements."""
        return math.prod(self.shape) * self.storage.dtype.itemsize


class Arguments:
    """Stands for an `argparse.Namespace`. `vars` gives its values."""


class _Dictionary(dict):
    """Stands for an `OrderedDict`. Unlike a `dict`, it can have attributes, as state dicts do."""

    def __init__(self):  # without arguments, because their hashes could take forever
        super().__init__()


def read_pickle(data: bytes, record_sizes: Mapping[str, int]) -> Any:
    """Read a pickle. Tensors become `StoredTensor`, and an `argparse.Namespace` becomes `Arguments`.

    Args:
        data: The pickle.
        record_sizes: Bytes of each storage's record, by key.

    Raises:
        UnsafeGlobalError: If the pickle names a class or function that does not belong in a checkpoint.
        ValueError: If the pickle is damaged or crafted, or a tensor is larger than its record.
    """
    _check_opcodes(data)
    try:
        return _TensorUnpickler(data, record_sizes).load()
    except (UnsafeGlobalError, ValueError):
        raise
    except Exception as error:  # damaged pickles have many errors, and nothing foreign runs here
        raise ValueError(f"the pickle is damaged ({type(error).__name__}: {error})") from error


class _TensorUnpickler(pickle.Unpickler):
    """Knows the classes and functions of checkpoints only."""

    def __init__(self, data: bytes, record_sizes: Mapping[str, int]):
        super().__init__(io.BytesIO(data), encoding="utf-8")
        self._record_sizes = record_sizes

    def find_class(self, module: str, name: str) -> Any:
        known: dict[str, Callable] = {
            "argparse.Namespace": Arguments,
            "collections.OrderedDict": _Dictionary,
            "torch._utils._rebuild_tensor_v2": _stored_tensor,
            "torch._utils._rebuild_parameter": lambda tensor, requires_grad, hooks: tensor,
            "torch.Size": tuple,
            "torch.device": lambda *names: None,
        }
        full_name = f"{module}.{name}"
        if full_name in known:
            return known[full_name]
        if module == "torch" and isinstance(value := getattr(torch, name, None), torch.dtype):
            return value
        if full_name not in _DTYPE_OF_STORAGE:
            raise UnsafeGlobalError(full_name)
        return _DTYPE_OF_STORAGE[full_name]

    def persistent_load(self, pid: Any) -> Storage:
        kind, dtype, key, _, numel = pid
        if kind != "storage" or not isinstance(dtype, torch.dtype) or not isinstance(key, str) or not _is_count(numel):
            raise ValueError("the pickle names a storage in an unknown way")
        if numel * dtype.itemsize > self._record_sizes.get(key, 0):
            raise ValueError(f"a tensor needs {numel:,} numbers, which its record does not have")
        return Storage(key, dtype, numel)


def _stored_tensor(storage: Storage, offset: int, shape: tuple, stride: tuple, *_) -> StoredTensor:
    """Check a tensor against its storage.

    Raises:
        ValueError: If it reaches beyond the storage, or has more elements than the storage.
    """
    numbers = (offset, *shape, *stride)
    if not isinstance(storage, Storage) or len(shape) != len(stride) or not all(map(_is_count, numbers)):
        raise ValueError("the pickle has a tensor without a valid shape")
    numel = math.prod(shape)
    last = offset + sum((size - 1) * step for size, step in zip(shape, stride, strict=True))
    if numel > storage.numel or (numel and last >= storage.numel):
        raise ValueError(f"a tensor of shape {shape} has only {storage.numel:,} stored numbers")
    return StoredTensor(storage, offset, tuple(shape), tuple(stride))


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**62


def _check_opcodes(data: bytes):
    """Check a pickle before it is read. Each check takes constant time.

    Keys of dictionaries must be plain values, because hashes of nested tuples can take forever. Attributes are only
    set on objects of the file, never on classes.

    Raises:
        ValueError: If the pickle is damaged, too long, or has something else than `torch.save` writes.
    """
    stack: list[str] = []
    marks: list[int] = []
    memo: dict[int, str] = {}
    argument: Any  # an integer for the opcodes below
    try:
        for number, (opcode, argument, _) in enumerate(pickletools.genops(data)):
            if opcode.name not in _OPCODES:
                raise ValueError(f"the pickle has the instruction {opcode.name}, which torch.save does not write")
            if number == MAX_OPCODES:
                raise ValueError(f"the pickle has more than {MAX_OPCODES:,} instructions")
            if opcode.name == "LONG1" and not -(2**63) <= argument < 2**63:
                raise ValueError("the pickle has an integer of more than 64 bits")
            if opcode.name == "MARK":
                marks.append(len(stack))
            elif opcode.name in ("BINPUT", "LONG_BINPUT"):
                if argument > number:
                    raise ValueError(f"the pickle has the memo index {argument:,}, which torch.save does not write")
                memo[argument] = stack[-1]
            elif opcode.name in ("BINGET", "LONG_BINGET"):
                stack.append(memo[argument])
            else:
                _apply(opcode, stack, marks)
    except (IndexError, KeyError, UnicodeDecodeError) as error:
        raise ValueError("the pickle is damaged") from error


def _apply(opcode: pickletools.OpcodeInfo, stack: list[str], marks: list[int]):
    """Apply an opcode to the kinds of values on the stack."""
    before = opcode.stack_before
    if pickletools.markobject in before:
        mark = marks.pop()
        arguments = stack[mark:]
        del stack[mark:]
        num_below = before.index(pickletools.markobject)
    else:
        arguments, num_below = [], len(before)
    below = [stack.pop() for _ in range(num_below)][::-1]
    if opcode.name == "BUILD" and below[0] != _CONTAINER:
        raise ValueError("the pickle changes a class or a plain value")
    keys = below[1:2] if opcode.name == "SETITEM" else arguments[::2] if opcode.name == "SETITEMS" else []
    if any(key != _PLAIN for key in keys):
        raise ValueError("the pickle has a dictionary with a key that is no plain value")
    if opcode.stack_after:
        plain = not before and not opcode.name.startswith("EMPTY_")
        stack.append(_GLOBAL if opcode.name == "GLOBAL" else _PLAIN if plain else _CONTAINER)
