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
"""Titles of the figures of an evaluation."""


def kind_of(config: PreTrainedConfig) -> str:
    """`"classifier"`, `"autoencoder"` or `"encoder"`: what was saved with this configuration."""
    architecture = (config.architectures or [""])[0]
    if architecture.endswith("ForVideoClassification"):
        return "classifier"
    return "autoencoder" if architecture.endswith("ForPreTraining") else "encoder"


def card_text(config: PreTrainedConfig, facts: ModelFacts, model: str) -> str:
    """All of a card below its metadata.

    Args:
        config: The model's, as it was saved.
        facts: What else is known of it.
        model: Its directory or Hub repository.
    """
    sections = [
        introduction(config, facts),
        f"{HOW_TO_USE}\n\n```python\n{usage_code(config, model)}```",
        results(config, facts),
        training(facts),
        terms(facts),
        limits(config),
        CITATION,
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


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
    """The model family as its paper writes it."""
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
    return f"# {title(config, facts)}\n\n{origin(config, facts)}\n\n{purpose}"


def usage_code(config: PreTrainedConfig, model: str) -> str:
    """Python code that uses a model: a directory or a Hub repository."""
    arguments = f"{json.dumps(model, ensure_ascii=False)}, trust_remote_code=True"
    if kind_of(config) == "classifier":
        # Named, because versions of Transformers before 5.23 take a softmax of any model.
        function = {"regression": "none", "multi_label_classification": "sigmoid"}.get(problem_type_of(config))
        option = "" if function is None else f', function_to_apply="{function}"'
        return f"""from transformers import pipeline

classify = pipeline("video-classification", model={arguments})
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
    """Figures, recall and confusion of the classes; losses."""
    parts = [_figures(facts), _losses(config, facts)]
    text = "\n\n".join(part for part in parts if part)
    return text and f"## Results\n\n{text}"


def training(facts: ModelFacts) -> str:
    """Hyper-parameters and versions of a training run."""
    if not facts.hyperparameters:
        return ""
    listed = "\n".join(f"- {name}: {value}" for name, value in facts.hyperparameters.items())
    versions = f"Transformers {transformers.__version__}, PyTorch {torch.__version__}"
    return f"## Training\n\n{listed}\n\nTrained with {versions}."


def terms(facts: ModelFacts) -> str:
    """Licence of the code, and what the data's owners demand."""
    text = (
        "The code is under the Apache License 2.0. For the weights, mind the terms of the model that they come from "
        "and of the data that they were trained on."
    )
    known = facts.dataset_terms
    if known is not None:
        named = known.title if known.page is None else f"[{known.title}]({known.page})"
        text += f" Training data: {named} {known.terms}."
    return f"## Data and licence\n\n{text}"


def limits(config: PreTrainedConfig) -> str:
    """What a model is for, what its answers mean, and where it must not be used."""
    answers = MEANING_OF_ANSWERS[problem_type_of(config) if kind_of(config) == "classifier" else None]
    return LIMITS.format(answers=answers)


HOW_TO_USE = """\
## How to use

With a video of a face, cropped as in the data that it was trained on. The code of the model family lies beside the
weights, and `trust_remote_code=True` allows Transformers to run it; where `lgi_former` is installed and imported, that
is used instead."""

LIMITS = """\
## Intended use and limits

For research on facial expressions, on videos like those it was trained on.

Whether emotions can be read from faces is contested: people who feel the same do not move their faces alike, and the
same movement means different things in different people, cultures and situations
([Barrett et al., 2019](https://doi.org/10.1177/1529100619832930)). {answers}

Models of faces are biased: they err more often on groups of people (by skin colour, age, gender, culture) that their
data show seldom or label differently. How this model fares on such groups was not measured.

Do not decide about people by it. In the European Union, systems that infer emotions at work and in education are
prohibited with few exceptions (AI Act, Article 5(1)(f)); other places have rules of their own."""

_NO_MEASUREMENT = "It is not a measurement of what somebody feels."

MEANING_OF_ANSWERS = {
    "single_label_classification": "A score is the share of a label that annotators would give to a clip like those "
    f"of the training data. {_NO_MEASUREMENT}",
    "multi_label_classification": "A score is the probability that annotators would give this label to a clip like "
    f"those of the training data. {_NO_MEASUREMENT}",
    "regression": "A predicted number estimates the number that annotators would give to a clip like those of the "
    f"training data. {_NO_MEASUREMENT}",
    None: "Features describe how a clip looks. They are not a measurement of what somebody feels.",
}
"""What the answers of a model mean, by its `problem_type`; None for a model without labels."""

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
        return f"gives a probability of each label: {names}. A video can have several of them, or none."
    return f"gives scores of {names}."


def _family(config):
    return FAMILIES.get(config.model_type, config.model_type)


def _origin_of_conversion(config, facts):
    return (
        f"{_family(config)} converted from `{Path(facts.checkpoint_file).name}`, a checkpoint of the "
        "[published MAE-DFER code](https://github.com/sunlicai/MAE-DFER), whose weights these are. Nothing was "
        "trained or measured in the conversion: what the paper reports are its own runs."
        + (f" Its classes are those of {facts.dataset_terms.title}." if facts.dataset_terms else "")
    )


def _origin_of_training(config, facts):
    name = facts.base_repository
    base = f"[{name}](https://huggingface.co/{name})" if name else facts.base_name and f"`{facts.base_name}`"
    data = f" on {facts.dataset_terms.title}" if facts.dataset_terms else ""
    start = f", starting from {base}" if base else ""
    if kind_of(config) == "classifier":
        is_regression = problem_type_of(config) == "regression"
        task = "to predict numbers" if is_regression else "for dynamic facial expression recognition"
        return f"{_family(config)} fine-tuned {task}{data}{start}."
    return f"{_family(config)} pre-trained{data}, without labels, by reconstructing what was masked{start}."


def _figures(facts):
    if not facts.figures:
        return ""
    videos = facts.figures["num_videos"]
    rows = [f"Measured on the {videos} videos of the evaluation data:", "", "| | % |", "| --- | ---: |"]
    rows += [f"| {title} | {100 * facts.figures[name]:.2f} |" for name, title in FIGURES.items()]
    if facts.selected_by:
        name = facts.selected_by.removeprefix("eval_")
        rows += ["", f"The best of the run's states was chosen by its {FIGURES.get(name, name)} on these very videos."]
    return "\n".join([*rows, "", *_confusion(facts.figures)])


def _confusion(figures):
    names = list(figures["class_accuracy"])
    cells = " | ".join(map(_cell, names))
    yield "Videos by true class (rows) and predicted class (columns), and the share of each class that was recognised:"
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
