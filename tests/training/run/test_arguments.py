"""Options of the training commands: recipes, the command line and error messages."""

import re

import pytest

from lgi_former.configuration import DATASET_LABELS, DATASET_TERMS
from lgi_former.training.finetune import FinetuningArguments
from lgi_former.training.pretrain import PretrainingArguments
from lgi_former.training.run.arguments import ModelArguments, RecipeTrainingArguments
from lgi_former.training.run.recipe_parser import RecipeParser
from lgi_former.training.run.recipes import RecipeError, read_recipe, shipped


def parse(*argv, data=FinetuningArguments):
    parser = RecipeParser(ModelArguments, data, RecipeTrainingArguments, prog="lgi-former finetune")
    return parser.parse(list(argv))


def write(folder, text):
    path = folder / "recipe.yaml"
    path.write_text(text)
    return str(path)


def test_the_command_line_wins_over_the_recipe(tmp_path):
    recipe = write(tmp_path, "image_size: 32\nlearning_rate: 1e-3\nconfig_overrides: {hidden_size: 64}\nfolds: [1]\n")
    model, data, training = parse(recipe, "--learning-rate", "0.5", "--output_dir", str(tmp_path / "out"))
    assert training.learning_rate == 0.5
    assert model.config_fields == {"hidden_size": 64, "image_size": 32}
    assert data.folds == [1]


@pytest.mark.parametrize(
    ("value", "expected"),
    [("faces", ["faces"]), ("~/$CORPUS", ["/home/me/dfew"]), ("[~/a.csv, images]", ["/home/me/a.csv", "images"])],
)
@pytest.mark.parametrize("kind", [FinetuningArguments, PretrainingArguments])
def test_sources_and_paths_of_a_recipe(kind, value, expected, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("CORPUS", "dfew")
    recipe = write(tmp_path, f"train_data: {value}\noutput_dir: ~/out\nmodel_name_or_path: $CORPUS/model\n")
    model, data, training = parse(recipe, data=kind)
    assert data.train_data == expected
    assert (training.output_dir, model.model_name_or_path) == ("/home/me/out", "dfew/model")
    data = parse(recipe, "--train_data", "$CORPUS/x", "y", "--mix", "1", "0.5", "--data_root=~/clips", data=kind)[1]
    assert (data.train_data, data.mix, data.data_root) == (["dfew/x", "y"], [1, 0.5], "/home/me/clips")


@pytest.mark.parametrize("options", [["--train_data", "a"], [], ["--train_data", "a", "b", "c"]])
@pytest.mark.parametrize("kind", [FinetuningArguments, PretrainingArguments])
def test_shares_need_as_many_sources(kind, options):
    with pytest.raises(ValueError, match="needs one number for each of several sources"):
        parse("--output_dir", "out", *options, "--mix", "1", "2", data=kind)


def test_a_recipe_after_the_sources_is_refused():
    with pytest.raises(RecipeError, match=r"'finetune_dfew' follows --train_data.*Write the recipe first"):
        parse("--output_dir", "out", "--train_data", "a", "finetune_dfew")


def test_an_unset_variable_is_an_error(tmp_path, capsys):
    for argv in (["--output_dir", "$NOWHERE"], [write(tmp_path, "output_dir: out\neval_data: $NOWHERE/x\n")]):
        with pytest.raises(SystemExit):
            parse(*argv)
        assert "the environment variable $NOWHERE in the path" in capsys.readouterr().err


def test_a_dictionary_of_the_recipe_reaches_training_arguments(tmp_path):
    recipe = write(tmp_path, "output_dir: out\nlr_scheduler_kwargs: {min_lr: 1.0e-6}\n")
    assert parse(recipe)[2].lr_scheduler_kwargs == {"min_lr": 1e-6}


OWN = ["finetune_own", "pretrain_own"]


@pytest.mark.parametrize("name", [name for name in shipped() if name not in OWN])
def test_shipped_recipes_are_the_published_ones(name):
    data_kind = PretrainingArguments if name.startswith("pretrain") else FinetuningArguments
    model, data, training = parse(name, data=data_kind)
    assert (model.image_size, model.num_frames) == (160, 16)
    assert data.sampling_rate == (1 if name == "finetune_ferv39k" else 4)
    assert data.frame_order == ("name" if name == "finetune_ferv39k" else "natural")
    assert training.lr_scheduler_type == "cosine_with_min_lr"
    assert training.num_train_epochs == 100 and training.num_train_epochs * training.warmup_steps == 5
    assert training.per_device_train_batch_size == (40 if name == "finetune_ferv39k" else 32)
    assert training.gradient_accumulation_steps == 1
    assert training.optim.startswith("adamw_torch")
    assert (training.weight_decay, training.adam_epsilon, training.seed) == (0.05, 1e-8, 0)
    assert training.max_grad_norm == 0
    assert training.ema_decay is None
    assert data.dataset_name in DATASET_TERMS
    if data_kind is PretrainingArguments:
        assert (training.base_learning_rate, training.lr_scheduler_kwargs["min_lr"]) == (3e-4, 1e-5)
        assert (training.adam_beta1, training.adam_beta2, training.layer_decay) == (0.9, 0.95, 1)
        assert (data.mask_ratio, data.mask_symmetry) == (0.9, None)
        assert (data.crop, data.crop_frame_size) == ([0, 32, 160, 160], [224, 224])
    else:
        assert (training.base_learning_rate, training.lr_scheduler_kwargs["min_lr"]) == (1e-3, 1e-6)
        assert (training.adam_beta1, training.adam_beta2, training.layer_decay) == (0.9, 0.999, 0.75)
        assert (data.mixup_alpha, data.cutmix_alpha, training.label_smoothing_factor) == (0.8, 1.0, 0.1)
        assert (data.drop_path_rate, data.randaugment_operations, data.crop_area) == (0.1, 4, [0.08, 1.0])
        assert (data.flip_probability, data.erasing_probability, data.num_segments) == (0.5, 0.25, 2)
        assert not training.load_best_model_at_end  # published figures are those of the last epoch
        assert data.labels == DATASET_LABELS[data.dataset_name]
        assert len(data.labels) == {"finetune_mafw": 11, "finetune_ravdess": 8}.get(
            name, 6 if name in ("finetune_crema_d", "finetune_enterface") else 7
        )


@pytest.mark.parametrize("word", ["none", "None", "null", "~", '"none"', "[none]"])
def test_a_recipe_can_switch_the_crop_off(word, tmp_path):
    recipe = write(tmp_path, f"output_dir: out\ncrop: {word}\n")
    assert parse(recipe, data=PretrainingArguments)[1].crop is None


@pytest.mark.parametrize("word", ["none", "None", "NONE"])
def test_the_command_line_can_switch_the_crop_of_a_recipe_off(word):
    data = parse("pretrain_voxceleb2", "--crop", word, data=PretrainingArguments)[1]
    assert data.crop is None and data.crop_frame_size is None


def test_the_crop_of_a_recipe_can_be_replaced():
    options = ["--crop", "1", "2", "30", "40", "--crop_frame_size", "50", "60"]
    data = parse("pretrain_voxceleb2", *options, data=PretrainingArguments)[1]
    assert (data.crop, data.crop_frame_size) == ([1, 2, 30, 40], [50, 60])
    data = parse("pretrain_voxceleb2", *options[:-2], "none", data=PretrainingArguments)[1]
    assert (data.crop, data.crop_frame_size) == ([1, 2, 30, 40], None)


@pytest.mark.parametrize(
    ("option", "value", "names"),
    [
        ("crop", "0 32 160", "4 whole numbers of pixels (top, left, height, width), or none."),
        ("crop", "0 32 160 160 1", "4 whole numbers"),
        ("crop", "0 32 160 0", "4 whole numbers"),
        ("crop", "-1 32 160 160", "4 whole numbers"),
        ("crop", "0.5 32 160 160", "4 whole numbers"),
        ("crop", "none 32 160 160", "4 whole numbers"),
        ("crop", "face", "4 whole numbers"),
        ("crop_frame_size", "224", "2 whole numbers of pixels (height, width), or none."),
        ("crop_frame_size", "224 x", "2 whole numbers"),
    ],
)
def test_a_crop_that_is_no_box_is_refused(option, value, names, tmp_path):
    with pytest.raises(ValueError, match=re.escape(f"{option}={value} must be {names}")):
        parse("pretrain_voxceleb2", f"--{option}", *value.split(), data=PretrainingArguments)
    recipe = write(tmp_path, f"output_dir: out\n{option}: [{', '.join(value.split())}]\n")
    with pytest.raises(ValueError, match=re.escape(f"{option}={value} must be {names}")):
        parse(recipe, data=PretrainingArguments)


def test_a_frame_size_that_does_not_go_with_the_crop_is_refused(tmp_path):
    with pytest.raises(ValueError, match="crop_frame_size needs crop"):
        parse("--output_dir", "out", "--crop_frame_size", "224", "224", data=PretrainingArguments)
    with pytest.raises(ValueError, match=r"crop=\[0, 32, 160, 160\] reaches beyond crop_frame_size=\[128, 128\]"):
        parse("pretrain_voxceleb2", "--crop_frame_size", "128", "128", data=PretrainingArguments)


def test_all_published_runs_have_a_recipe():
    corpora = ("crema_d", "dfew", "enterface", "ferv39k", "mafw", "ravdess")
    assert sorted(shipped()) == sorted([*(f"finetune_{corpus}" for corpus in corpora), "pretrain_voxceleb2", *OWN])


@pytest.mark.parametrize("name", OWN)
def test_recipes_for_own_videos_name_no_corpus_and_no_size(name):
    options = read_recipe(name)
    settings = {"model_name_or_path", "train_data", "eval_data", "dataset_name", "labels", "crop", "crop_frame_size"}
    assert not options.keys() & (settings | {"image_size", "num_frames", "sampling_rate", "config_overrides"})
    model, data, training = parse(name, data=PretrainingArguments if name == "pretrain_own" else FinetuningArguments)
    assert model.config_fields == {} and data.dataset_name is None
    assert not training.load_best_model_at_end


# Early stopping


def train_options(*argv):
    return parse("--output_dir", "out", *argv)[2]


def test_early_stopping_evaluates_and_saves_each_epoch():
    plain, early = train_options(), train_options("--early_stopping_patience", "3")
    assert (plain.eval_strategy, plain.save_strategy, plain.load_best_model_at_end) == ("no", "steps", False)
    assert (early.eval_strategy, early.save_strategy, early.load_best_model_at_end) == ("epoch", "epoch", True)
    assert (early.metric_for_best_model, early.greater_is_better) == ("loss", False)
    steps = train_options("--early_stopping_patience", "3", "--eval_strategy", "steps", "--eval_steps", "50")
    assert steps.eval_strategy == steps.save_strategy == "steps"
    assert parse("finetune_own", "--early_stopping_patience", "2")[2].load_best_model_at_end


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--eval_strategy", "no"], "eval_strategy=no clashes with early_stopping_patience"),
        (["--save_strategy", "no"], "save_strategy=no clashes with early_stopping_patience"),
        (["--load_best_model_at_end", "false"], "load_best_model_at_end=false clashes with early_stopping_patience"),
        (["--early_stopping_patience", "0"], "early_stopping_patience=0 must be at least 1"),
    ],
)
def test_what_clashes_with_early_stopping_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        train_options("--early_stopping_patience", "3", *options)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("eval_split: 20", "eval_split=20 must be a share between 0 and 1"),
        ("eval_split: 0", "eval_split=0 must be a share"),
        ("sampler: equal", "sampler='equal' must be random or balanced"),
        ("class_weight: auto", "class_weight='auto' must be balanced or effective"),
    ],
)
def test_unknown_choices_in_a_recipe_are_refused(line, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        parse(write(tmp_path, f"output_dir: out\n{line}\n"))


def test_a_misspelt_option_is_an_error_with_a_suggestion(capsys):
    with pytest.raises(SystemExit):
        parse("--output_dir", "out", "--lerning_rate=1")
    assert "unrecognized arguments: --lerning_rate=1; did you mean --learning_rate?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("layer_deacy: 0.75", "unknown option 'layer_deacy'; did you mean layer_decay?"),
        ("- a list", "lines of 'option: value'"),
        ("a: [", "is not YAML"),
    ],
)
def test_a_recipe_that_cannot_be_understood_is_refused(text, message, tmp_path):
    with pytest.raises(RecipeError, match=message.replace("[", r"\[").replace("?", r"\?")):
        parse(write(tmp_path, text))


def test_a_recipe_of_another_command_is_an_error():
    with pytest.raises(RecipeError, match="it is a recipe of `lgi-former pretrain`"):
        parse("pretrain_voxceleb2")


def test_an_unknown_recipe_names_the_nearest():
    with pytest.raises(RecipeError, match=r"did you mean finetune_dfew\?"):
        read_recipe("finetune_dfw")


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_configuration_fields_that_are_no_json_object_are_refused(text):
    with pytest.raises(ValueError, match="config_overrides="):
        ModelArguments(config_overrides=text)


def test_an_output_folder_is_needed():
    with pytest.raises(ValueError, match="output_dir is missing"):
        RecipeTrainingArguments()


def test_half_precision_is_left_alone_when_it_is_chosen(tmp_path):
    assert RecipeTrainingArguments(output_dir=str(tmp_path), bf16=False, use_cpu=True).bf16 is False


@pytest.mark.parametrize(("num_workers", "chosen", "persist"), [(2, True, True), (0, True, False), (2, False, False)])
def test_workers_persist_if_there_are_any(num_workers, chosen, persist, tmp_path):
    training = RecipeTrainingArguments(
        output_dir=str(tmp_path),
        use_cpu=True,
        dataloader_num_workers=num_workers,
        dataloader_persistent_workers=chosen,
    )
    assert training.dataloader_persistent_workers is persist
