"""Recipes of any content are read, or refused in a sentence that names the file."""

import pytest

from lgi_former.training.finetune import FinetuningArguments
from lgi_former.training.run.arguments import ModelArguments, RecipeTrainingArguments
from lgi_former.training.run.recipe_parser import RecipeParser
from lgi_former.training.run.recipes import RecipeError, read_recipe


def parse(folder, text):
    path = folder / "recipe.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    kinds = (ModelArguments, FinetuningArguments, RecipeTrainingArguments)
    return RecipeParser(*kinds, prog="lgi-former finetune").parse([str(path)])


LAUGHS = "a: &a [x, x]\n" + "".join(f"b{n}: &b{n} [*{'a' if n == 0 else f'b{n - 1}'}, *a]\n" for n in range(9))


@pytest.mark.parametrize(
    ("text", "message"),
    {
        "nested lists": ("a: " + "[" * 3000 + "]" * 3000, "nested too deeply"),
        "nested mappings": ("".join(f"{' ' * n}a:\n" for n in range(1200)), "nested too deeply"),
        "nested in a key": ("? " * 3000 + "a", "nested too deeply"),
        "billion laughs": (LAUGHS, r"\*a repeats a list"),
        "itself": ("a: &a\n  b: *a\n", r"\*a repeats a list or a mapping"),
        "large": ("a: " + "x" * 1_000_000, "more than 1000000 bytes"),
        "no time": ("a: !!timestamp x", "is not YAML"),
        "no word": ("a: !!bool x", "is not YAML"),
        "date": ("num_train_epochs: 2024-13-45", "is not YAML"),
        "number": ("a: 0o9\nb: !!int x", "is not YAML"),
        "code": ("a: !!python/object/apply:os.system [ls]", "is not YAML"),
        "binary": (b"\xff\xfe\x00a", "is not YAML"),
        "twice": ("seed: 1\nbf16: true\nseed: 2", "'seed' is written twice"),
        "NUL": ("a: \0", "is not YAML"),
        "list key": ("? [a]\n: 1", "is not YAML"),
    }.values(),
)
def test_a_harmful_recipe_is_refused(text, message, tmp_path):
    with pytest.raises(RecipeError, match=f"The recipe '.*recipe.yaml' .*{message}"):
        parse(tmp_path, text)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("learning_rate: [1, 2]", "one value, not a list"),
        ("learning_rate: {a: 1}", "one value, not a mapping"),
        ("learning_rate: fast", "a number"),
        ("learning_rate: true", "a number"),
        ("learning_rate:", "a number"),
        ("num_train_epochs: '1,5'", "a number"),
        ("seed: 1.5", "a whole number"),
        ("seed: x", "a whole number"),
        ("seed: !!set {a}", "not a set"),
        ("output_dir: 2024-01-01", "text in quotation marks"),
        ("output_dir: [a, b]", "one value, not a list"),
        ("bf16: perhaps", "true or false"),
        ("per_device_train_batch_size: 8 pieces", "a whole number"),
    ],
)
def test_a_value_of_the_wrong_type_names_the_recipe_and_the_option(line, expected, tmp_path):
    option = line.partition(":")[0]
    with pytest.raises(RecipeError, match=f"The recipe '.*recipe.yaml' has {option}: .*must be .*{expected}"):
        parse(tmp_path, line)


def test_usual_values_and_aliases_of_words_are_read(tmp_path):
    text = "output_dir: &out runs/a\nrun_name: *out\nseed: '7'\nlearning_rate: 1e-3\nweight_decay: 0\nbf16: no\n"
    training = parse(tmp_path, text + "lr_scheduler_kwargs: {a: 1}\nreport_to: [none]\n")[-1]
    assert (training.run_name, training.seed, training.learning_rate) == ("runs/a", 7, 1e-3)
    assert training.lr_scheduler_kwargs == {"a": 1} and not training.bf16


def test_a_recipe_must_be_a_file(tmp_path):
    with pytest.raises(RecipeError, match="There is no recipe '/dev/zero'"):
        read_recipe("/dev/zero")
