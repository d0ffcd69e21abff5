"""A model that predicts numbers has a `problem_type` in its configuration, for the pipeline of Transformers."""

import numpy as np
import pytest
import torch
import transformers
from datasets import Dataset
from packaging import version
from transformers import AutoModelForVideoClassification, Trainer, TrainingArguments, VideoClassificationPipeline

from lgi_former import LGIFormerForPreTraining, LGIFormerForVideoClassification, LGIFormerVideoProcessor
from lgi_former.training.run.arguments import ModelArguments
from lgi_former.training.run.starting_model import load_model_to_finetune


reads_the_problem_type = pytest.mark.skipif(
    version.parse(transformers.__version__) < version.parse("5.23"),
    reason="before 5.23, the pipeline ignores the configuration and takes a softmax",
)


def pipeline_answers(folder):
    model = AutoModelForVideoClassification.from_pretrained(folder)
    size = {"height": model.config.image_size, "width": model.config.image_size}
    processor = LGIFormerVideoProcessor(size=size, num_frames=model.config.num_frames)
    classify = VideoClassificationPipeline(model=model, video_processor=processor, device="cpu")
    video = np.random.default_rng(0).integers(0, 256, (8, 20, 20, 3), dtype=np.uint8)
    with torch.no_grad():
        logits = model(**processor(video, return_tensors="pt")).logits[0]
    return {entry["label"]: entry["score"] for entry in classify(video)}, logits


def train_and_save(model, labels, clips, folder):
    columns = {"pixel_values": clips(model.config, 2).numpy(), "labels": labels}
    arguments = TrainingArguments(
        folder, max_steps=1, per_device_train_batch_size=2, report_to="none", use_cpu=True, disable_tqdm=True
    )
    trainer = Trainer(model, arguments, train_dataset=Dataset.from_dict(columns).with_format("torch"))
    trainer.train()
    trainer.save_model(folder)


@reads_the_problem_type
def test_the_pipeline_answers_with_the_number_of_a_model_of_a_plain_trainer(tiny_config, clips, tmp_path):
    LGIFormerForPreTraining(tiny_config()).save_pretrained(tmp_path / "pretrained")
    model = AutoModelForVideoClassification.from_pretrained(tmp_path / "pretrained", num_labels=1)
    train_and_save(model, [0.3, -2.0], clips, tmp_path / "trained")
    scores, logits = pipeline_answers(tmp_path / "trained")
    assert scores == {"LABEL_0": pytest.approx(logits.item(), abs=1e-6)} and logits.item() != 1


@reads_the_problem_type
@pytest.mark.parametrize(
    ("problem_type", "function"),
    [
        ("regression", lambda logits: logits),
        ("multi_label_classification", torch.sigmoid),
        (None, lambda logits: logits.softmax(-1)),
    ],
)
def test_the_pipeline_answers_by_the_problem_type(tiny_config, tmp_path, problem_type, function):
    model = LGIFormerForVideoClassification(tiny_config(num_labels=3, problem_type=problem_type))
    model.save_pretrained(tmp_path)
    scores, logits = pipeline_answers(tmp_path)
    expected = {f"LABEL_{index}": value for index, value in enumerate(function(logits).tolist())}
    assert scores == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("fields", [{}, {"id2label": {0: "valence"}}, {"frame_level": True}])
def test_one_label_is_regression_from_the_start(tiny_config, fields):
    config = tiny_config(num_labels=1, **fields)
    assert LGIFormerForVideoClassification(config).config.problem_type == "regression"


def test_a_problem_type_that_is_set_stays(tiny_config):
    config = tiny_config(num_labels=1, problem_type="multi_label_classification")
    assert LGIFormerForVideoClassification(config).config.problem_type == "multi_label_classification"
    assert LGIFormerForVideoClassification(tiny_config()).config.problem_type is None


def test_models_that_were_saved_without_it_are_known_for_regression(tiny_config, tmp_path):
    model = LGIFormerForVideoClassification(tiny_config(num_labels=1))
    model.config.problem_type = None
    model.save_pretrained(tmp_path)
    assert AutoModelForVideoClassification.from_pretrained(tmp_path).config.problem_type == "regression"


def test_one_class_with_a_softmax_is_refused(tiny_config):
    with pytest.raises(ValueError, match="single_label_classification"):
        LGIFormerForVideoClassification(tiny_config(num_labels=1, problem_type="single_label_classification"))
    config = tiny_config()
    config.problem_type, config.num_labels = "single_label_classification", 1
    with pytest.raises(ValueError, match="single_label_classification"):
        LGIFormerForVideoClassification(config)


def test_lora_of_a_regression_model_is_saved_as_one(tiny_config, clips, tmp_path):
    from peft import LoraConfig, get_peft_model

    base = LGIFormerForVideoClassification(tiny_config(num_labels=1))
    model = get_peft_model(base, LoraConfig(target_modules=["q_proj"], modules_to_save=["classifier"]))
    model.merge_and_unload().save_pretrained(tmp_path)
    assert AutoModelForVideoClassification.from_pretrained(tmp_path).config.problem_type == "regression"


def test_fine_tuning_on_classes_forgets_that_its_start_predicted_numbers(tiny_config, tmp_path):
    LGIFormerForVideoClassification(tiny_config(num_labels=1)).save_pretrained(tmp_path)
    model, _ = load_model_to_finetune(ModelArguments(model_name_or_path=str(tmp_path)), ["happy", "sad"])
    assert model.config.problem_type == "single_label_classification" and model.config.num_labels == 2
