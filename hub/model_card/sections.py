"""The text of a model card, section by section, in Markdown."""

import json
from pathlib import Path

import torch
import transformers
from transformers import PreTrainedConfig

from ...modeling_lgi_former.classification_loss import problem_type_of
from .facts import ModelFacts


FAMILIES = {
    "lgi_former": "[LGI-Former](https://arxiv.org/abs/2307.02227)",
    "videomae": "[VideoMAE](https://arxiv.org/abs/2203.12602)",
}
FIGURES = {
    "uar": "UAR",
    "war": "WAR",
    "weighted_f1": "weighted F1",
    "micro_f1": "micro F1",
    "macro_f1": "macro F1",
}
"""Titles of the metrics of an evaluation."""


def kind_of(config: PreTrainedConfig) -> str:
    """The kind of the model that was saved with a configuration: `"classifier"`, `"autoencoder"` or `"encoder"`."""
    architecture = (config.architectures or [""])[0]
    if architecture.endswith("ForVideoClassification"):
        return "classifier"
    return "autoencoder" if architecture.endswith("ForPreTraining") else "encoder"


def card_text(config: PreTrainedConfig, facts: ModelFacts, model: str) -> str:
    """The text of a card below its metadata.

    Args:
        config: The saved configuration of the model.
        facts: Other facts about the model.
        model: The directory or Hub repository of the model.
    """
    sections = [
        introduction(config, facts),
        f"{HOW_TO_USE}\n\n```python\n{usage_code(config, model, facts.adapter is not None)}```",
        results(config, facts),
        training(facts),
        terms(facts),
        limits(config),
        CITATION,
    ]
    return "\n\n".join(filter(None, sections)) + "\n"


def title(config: PreTrainedConfig, facts: ModelFacts) -> str:
    """The card's heading."""
    family = family_name(config)
    if facts.checkpoint_file is not None:
        return f"{family}, converted from {Path(facts.checkpoint_file).name}"
    heading = f"{family}, {'fine-tuned' if kind_of(config) == 'classifier' else 'pre-trained'}"
    if facts.dataset_terms is not None:
        heading += f" on {facts.dataset_terms.title}"
    return heading if facts.fold is None else f"{heading}, fold {facts.fold}"


def family_name(config: PreTrainedConfig) -> str:
    """The name of the model family in its paper."""
    return _family(config).strip("[").partition("]")[0]


def introduction(config: PreTrainedConfig, facts: ModelFacts) -> str:
    """Heading, origin and purpose of a model."""
    origin = _origin_of_conversion if facts.checkpoint_file is not None else _origin_of_training
    size = f"{config.image_size} x {config.image_size}"
    takes = f"It takes {config.num_frames} frames of {size} pixels"
    if kind_of(config) == "classifier":
        purpose = f"{takes} and {_answer(config)}"
    else:
        purpose = (
            f"{takes}. It has no classes: it is a start for fine-tuning (`lgi-former finetune`), and gives features "
            "of videos."
        )
    if facts.adapter is not None:
        purpose += (
            f"\n\nThis is an adapter ({facts.adapter} of [PEFT](https://huggingface.co/docs/peft)). It is added to "
            "the base model, which is loaded with it."
        )
    return f"# {title(config, facts)}\n\n{origin(config, facts)}\n\n{purpose}"


def usage_code(config: PreTrainedConfig, model: str, is_adapter: bool = False) -> str:
    """Python code that uses the model in a directory or Hub repository."""
    name = json.dumps(model, ensure_ascii=False)
    if is_adapter and config.model_type != "lgi_former":
        return f"""from lgi_former.hub.loading import load_classifier
from lgi_former.inference import predict_video

model, processor = load_classifier({name})  # Transformers alone would use the classes of the base model
print(predict_video(model, processor, "face.mp4").scores)
"""
    arguments = f"{name}, trust_remote_code=True"
    if kind_of(config) == "classifier":
        # Transformers before 5.23 computes a softmax by default.
        function = {"regression": "none", "multi_label_classification": "sigmoid"}.get(problem_type_of(config))
        option = "" if function is None else f', function_to_apply="{function}"'
        processor = f", video_processor={name}" if is_adapter else ""  # otherwise that of the base model
        return f"""from transformers import pipeline

classify = pipeline("video-classification", model={arguments}{processor})
print(classify("face.mp4"{option}))
"""
    return f"""from transformers import AutoModel, AutoVideoProcessor

processor = AutoVideoProcessor.from_pretrained({arguments})
model = AutoModel.from_pretrained({arguments}).eval()
clip = processor("face.mp4", return_tensors="pt")
features = model(**clip).last_hidden_state.mean(dim=1)  # (clips, width)
print(features.shape)
"""


def results(config: PreTrainedConfig, facts: ModelFacts) -> str:
    """Metrics, recall and confusion of the classes, and losses."""
    text = "\n\n".join(filter(None, [_reported(facts), _figures(facts), _losses(config, facts)]))
    return text and f"## Results\n\n{text}"


def training(facts: ModelFacts) -> str:
    """Hyper-parameters and versions of a training run."""
    if not facts.hyperparameters:
        return ""
    listed = "\n".join(f"- {name}: {value}" for name, value in facts.hyperparameters.items())
    versions = f"Transformers {transformers.__version__}, PyTorch {torch.__version__}"
    return f"## Training\n\n{listed}\n\nTrained with {versions}."


def terms(facts: ModelFacts) -> str:
    """Licence of the code, and terms of the training data."""
    text = (
        "The code is under the Apache License 2.0. For the weights, the terms of the base model and of the training "
        "data apply."
    )
    if facts.checkpoint_link is not None:
        text += (
            " The authors of the checkpoint publish it with their code, which is under the "
            "[MIT License](https://github.com/sunlicai/MAE-DFER)."
        )
    known = facts.dataset_terms
    if known is not None:
        named = known.title if known.page is None else f"[{known.title}]({known.page})"
        text += f" Training data: {named} {known.terms}."
    return f"## Data and licence\n\n{text}"


def limits(config: PreTrainedConfig) -> str:
    """Purpose of a model, meaning of its answers, and forbidden uses."""
    answers = MEANING_OF_ANSWERS[problem_type_of(config) if kind_of(config) == "classifier" else None]
    return LIMITS.format(answers=answers)


HOW_TO_USE = """\
## How to use

Use a video of a face, cropped as in the training data. The repository contains the code of the model family.
`trust_remote_code=True` allows Transformers to run it. If you import `lgi_former`, its code is used instead."""

LIMITS = """\
## Intended use and limits

The model is for research on facial expressions, in videos like the training data.

It is disputed whether faces show emotions. People with the same feeling move their faces differently. The same
movement has different meanings for different people, cultures and situations
([Barrett et al., 2019](https://doi.org/10.1177/1529100619832930)). {answers}

Models of faces are biased. They make more errors for groups of people (by skin colour, age, gender, culture) that are
rare in the training data or labelled differently. The errors of this model for such groups were not measured.

Do not use it for decisions about people. In the European Union, systems that infer emotions at work and in education
are prohibited with few exceptions (AI Act, Article 5(1)(f)). Other countries have their own rules."""

_NO_MEASUREMENT = "It is not a measurement of a person's feelings."

MEANING_OF_ANSWERS = {
    "single_label_classification": "A score is the softmax of a model that was trained on one label per clip. It says "
    "how strongly the model prefers this label among its classes. It is not a probability that is calibrated on your "
    f"videos, and not a share of annotators. {_NO_MEASUREMENT}",
    "multi_label_classification": "A score is the probability that the model gives to this label. The scores of "
    f"labels are independent. They are not calibrated on your videos. {_NO_MEASUREMENT}",
    "regression": f"A predicted number estimates the number of such a clip in the training data. {_NO_MEASUREMENT}",
    None: "Features describe the appearance of a clip. They are not a measurement of a person's feelings.",
}
"""Meaning of the answers of a model, by its `problem_type`. None is for models without labels."""

CITATION = """\
## Citation

```bibtex
@inproceedings{sun2023mae,
  author    = {Sun, Licai and Lian, Zheng and Liu, Bin and Tao, Jianhua},
  title     = {MAE-DFER: Efficient Masked Autoencoder for Self-supervised Dynamic Facial Expression Recognition},
  booktitle = {Proceedings of the 31st ACM International Conference on Multimedia},
  year      = {2023},
  pages     = {6110--6121}
}
```"""


def _answer(config):
    names = ", ".join(config.id2label[index] for index in range(config.num_labels))
    if problem_type_of(config) == "regression":
        return f"predicts {'one number' if config.num_labels == 1 else f'{config.num_labels} numbers'}: {names}."
    if problem_type_of(config) == "multi_label_classification":
        return f"gives a probability of each label: {names}. A video can have several labels, or none."
    return f"gives scores of {names}."


def _family(config):
    return FAMILIES.get(config.model_type, config.model_type)


def _origin_of_conversion(config, facts):
    name = f"`{Path(facts.checkpoint_file).name}`"
    if facts.checkpoint_link is not None:
        name = f"[{name}]({facts.checkpoint_link})"
    text = (
        f"{_family(config)} converted from {name}, a checkpoint of the "
        "[published MAE-DFER code](https://github.com/sunlicai/MAE-DFER). Nothing was trained or measured in the "
        "conversion."
    )
    if not facts.reported:
        text += " The results in the paper belong to its own runs."
    if facts.dataset_terms is not None:
        is_classifier = kind_of(config) == "classifier"
        text += f" {'The classes are those of' if is_classifier else 'It was trained on'} {facts.dataset_terms.title}."
    if facts.checkpoint_sha256 is not None:
        text += f"\n\nSHA-256 of the checkpoint: `{facts.checkpoint_sha256}`"
    return text


def _origin_of_training(config, facts):
    name = facts.base_repository
    base = f"[{name}](https://huggingface.co/{name})" if name else facts.base_name and f"`{facts.base_name}`"
    data = f" on {facts.dataset_terms.title}" if facts.dataset_terms else ""
    start = f", starting from {base}" if base else ""
    if kind_of(config) == "classifier":
        is_regression = problem_type_of(config) == "regression"
        task = "to predict numbers" if is_regression else "for dynamic facial expression recognition"
        return f"{_family(config)} fine-tuned {task}{data}{start}."
    return f"{_family(config)} pre-trained{data}, without labels, by reconstructing masked tubelets{start}."


def _reported(facts):
    if not facts.reported:
        return ""
    fold = "" if facts.fold is None else f" of fold {facts.fold}"
    figures = ", ".join(f"{FIGURES[name]} {value:.2f} %" for name, value in facts.reported.items())
    return f"The authors of the checkpoint report on the test data{fold}: {figures}. This package did not measure it."


def _figures(facts):
    if not facts.figures:
        return ""
    videos = facts.figures["num_videos"]
    rows = [f"Measured on the {videos} videos of the evaluation data:", "", "| | % |", "| --- | ---: |"]
    rows += [f"| {title} | {100 * facts.figures[name]:.2f} |" for name, title in FIGURES.items()]
    if facts.selected_by:
        name = facts.selected_by.removeprefix("eval_")
        rows += ["", f"The best checkpoint was selected by {FIGURES.get(name, name)} on the same videos."]
    return "\n".join([*rows, "", *_confusion(facts.figures)])


def _confusion(figures):
    names = list(figures["class_accuracy"])
    cells = " | ".join(map(_cell, names))
    yield "Videos by true class (rows) and predicted class (columns), and the recall of each class:"
    yield ""
    yield f"| | {cells} | % |"
    yield f"| --- |{' ---: |' * (len(names) + 1)}"
    for (name, accuracy), counts in zip(figures["class_accuracy"].items(), figures["confusion_matrix"], strict=True):
        recall = "-" if accuracy is None else f"{100 * accuracy:.2f}"
        yield f"| {_cell(name)} | {' | '.join(map(str, counts))} | {recall} |"


def _losses(config, facts):
    if not facts.losses:
        return ""
    listed = "\n".join(f"- {name}: {loss:.4g}" for name, loss in facts.losses.items())
    if kind_of(config) == "classifier":
        of = " (mean squared error)" if problem_type_of(config) == "regression" else ""
        return f"Loss{of}:\n\n{listed}"
    return f"Loss (mean squared error over masked tubelets):\n\n{listed}"


def _cell(text):
    return " ".join(text.split()).replace("|", r"\|")
