"""The text of a model card, section by section, in Markdown."""

import json
from pathlib import Path

import torch
import transformers
from transformers import PreTrainedConfig

from ..answer_kind import AnswerKind
from ..model_kind import kind_of
from ..model_names import split_revision
from .facts import ModelFacts
from .figures import figures_text, metrics_text, title_of_metric
from .markdown import as_code, as_plain_text


FAMILIES = {
    "lgi_former": "[LGI-Former](https://arxiv.org/abs/2307.02227)",
    "videomae": "[VideoMAE](https://arxiv.org/abs/2203.12602)",
}
LOSSES = {"mse": "mean squared error", "mae": "mean absolute error", "ccc": "1 - CCC"}
"""Losses of regression by the hyper-parameter `regression_loss`."""


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
        return f"{family}, converted from {as_plain_text(Path(facts.checkpoint_file).name)}"
    heading = f"{family}, {'fine-tuned' if kind_of(config.architectures) == 'classifier' else 'pre-trained'}"
    if facts.dataset_terms is not None:
        heading += f" on {as_plain_text(facts.dataset_terms.title)}"
    return heading if facts.fold is None else f"{heading}, fold {facts.fold}"


def family_name(config: PreTrainedConfig) -> str:
    """The name of the model family in its paper."""
    return _family(config).strip("[").partition("]")[0]


def introduction(config: PreTrainedConfig, facts: ModelFacts) -> str:
    """Heading, origin and purpose of a model."""
    origin = _origin_of_conversion if facts.checkpoint_file is not None else _origin_of_training
    size = f"{config.image_size} x {config.image_size}"
    takes = f"It takes {config.num_frames} frames of {size} pixels"
    if kind_of(config.architectures) == "classifier":
        purpose = f"{takes} and {_answer(config)}"
    else:
        purpose = (
            f"{takes}. It has no classes: it is a start for fine-tuning (`lgi-former finetune`), and gives features "
            "of videos."
        )
    if facts.adapter is not None:
        purpose += (
            f"\n\nThis is an adapter ({as_plain_text(facts.adapter)} of [PEFT](https://huggingface.co/docs/peft)). It "
            "is added to the base model, which is loaded with it."
        )
    return f"# {title(config, facts)}\n\n{origin(config, facts)}\n\n{purpose}"


def usage_code(config: PreTrainedConfig, model: str, is_adapter: bool = False) -> str:
    """Python code that uses the model in a directory or Hub repository (`owner/name`, `owner/name@revision`)."""
    repository, revision = split_revision(model)
    name = json.dumps(repository, ensure_ascii=False)
    name_at_revision = name if revision is None else f"{name}, revision={json.dumps(revision, ensure_ascii=False)}"
    arguments = f"{name_at_revision}, trust_remote_code=True"
    if is_adapter and config.model_type != "lgi_former":
        return f"""from lgi_former.hub.loading import load_classifier
from lgi_former.inference import predict_video

model, processor = load_classifier({name_at_revision})  # Transformers alone would use the classes of the base model
print(predict_video(model, processor, "face.mp4").scores)
"""
    if kind_of(config.architectures) == "classifier":
        function = AnswerKind.of(config).function
        if getattr(config, "frame_level", False):
            return _usage_code_of_frames(arguments, function)
        # Transformers before 5.23 computes a softmax by default. The five highest scores are the default of all.
        options = "" if function == "softmax" else f', function_to_apply="{function}"'
        if function != "softmax" and config.num_labels > 5:
            options += f", top_k={config.num_labels}"
        processor = f", video_processor={name}" if is_adapter else ""  # otherwise that of the base model
        return f"""from transformers import pipeline

classify = pipeline("video-classification", model={arguments}{processor})
print(classify("face.mp4"{options}))
"""
    return f"""from transformers import AutoModel, AutoVideoProcessor

processor = AutoVideoProcessor.from_pretrained({arguments})
model = AutoModel.from_pretrained({arguments}).eval()
clip = processor("face.mp4", return_tensors="pt")
features = model(**clip).last_hidden_state.mean(dim=1)  # (clips, width)
print(features.shape)
"""


def _usage_code_of_frames(arguments: str, function: str) -> str:
    """The pipeline of Transformers takes no scores of frames."""
    scores = {"softmax": ".softmax(-1)", "sigmoid": ".sigmoid()", "none": ""}[function]
    return f"""from transformers import AutoModelForVideoClassification, AutoVideoProcessor

processor = AutoVideoProcessor.from_pretrained({arguments})
model = AutoModelForVideoClassification.from_pretrained({arguments}).eval()
clip = processor("face.mp4", return_tensors="pt")
frames = model(**clip).logits[0]{scores}  # (frames, labels)
for scores in frames.tolist():
    print(dict(zip(model.config.id2label.values(), scores)))
"""


def results(config: PreTrainedConfig, facts: ModelFacts) -> str:
    """Metrics of the evaluation, in all and by label, and losses."""
    figures = figures_text(facts) or metrics_text(facts)
    text = "\n\n".join(filter(None, [_reported(facts), figures, _losses(config, facts)]))
    return text and f"## Results\n\n{text}"


def training(facts: ModelFacts) -> str:
    """Hyper-parameters and versions of a training run."""
    if not facts.hyperparameters:
        return ""
    listed = "\n".join(f"- {name}: {as_plain_text(str(value))}" for name, value in facts.hyperparameters.items())
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
        title = as_plain_text(known.title)
        named = title if known.page is None else f"[{title}]({known.page})"
        text += f" Training data: {named} {known.terms}."
    return f"## Data and licence\n\n{text}"


def limits(config: PreTrainedConfig) -> str:
    """Purpose of a model, meaning of its answers, and forbidden uses."""
    is_classifier = kind_of(config.architectures) == "classifier"
    return LIMITS.format(answers=AnswerKind.of(config).meaning if is_classifier else MEANING_OF_FEATURES)


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

MEANING_OF_FEATURES = "Features describe the appearance of a clip. They are not a measurement of a person's feelings."

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
    kind = AnswerKind.of(config)
    names = ", ".join(as_plain_text(kind.with_unit(label)) for label in kind.labels)
    of_frames = " for each frame" if getattr(config, "frame_level", False) else ""
    if not kind.is_probability:
        number = "one number" if config.num_labels == 1 else f"{config.num_labels} numbers"
        return f"predicts {number}{of_frames}: {names}."
    if not kind.sums_to_1:
        return f"gives a probability of each label{of_frames}: {names}. A video can have several labels, or none."
    return f"gives scores of {names}{of_frames}."


def _family(config):
    return FAMILIES.get(config.model_type, config.model_type)


def _origin_of_conversion(config, facts):
    name = as_code(Path(facts.checkpoint_file).name)
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
        is_classifier = kind_of(config.architectures) == "classifier"
        origin = "The classes are those of" if is_classifier else "It was trained on"
        text += f" {origin} {as_plain_text(facts.dataset_terms.title)}."
    if facts.checkpoint_sha256 is not None:
        text += f"\n\nSHA-256 of the checkpoint: `{facts.checkpoint_sha256}`"
    return text


def _origin_of_training(config, facts):
    name = facts.base_repository
    base = f"[{name}](https://huggingface.co/{name})" if name else facts.base_name and as_code(facts.base_name)
    if name and facts.base_revision:
        base += f" (commit [{facts.base_revision[:7]}](https://huggingface.co/{name}/tree/{facts.base_revision}))"
    data = f" on {as_plain_text(facts.dataset_terms.title)}" if facts.dataset_terms else ""
    start = f", starting from {base}" if base else ""
    if kind_of(config.architectures) == "classifier":
        is_recognition = AnswerKind.of(config).is_probability
        task = "for dynamic facial expression recognition" if is_recognition else "to predict numbers"
        return f"{_family(config)} fine-tuned {task}{data}{start}."
    return f"{_family(config)} pre-trained{data}, without labels, by reconstructing masked tubelets{start}."


def _reported(facts):
    if not facts.reported:
        return ""
    fold = "" if facts.fold is None else f" of fold {facts.fold}"
    figures = ", ".join(f"{title_of_metric(name)} {value:.2f} %" for name, value in facts.reported.items())
    return f"The authors of the checkpoint report on the test data{fold}: {figures}. This package did not measure it."


def _losses(config, facts):
    if not facts.losses:
        return ""
    listed = "\n".join(f"- {name}: {loss:.4g}" for name, loss in facts.losses.items())
    if kind_of(config.architectures) == "classifier":
        loss = LOSSES.get(facts.hyperparameters.get("regression_loss", "mse"))
        of = "" if AnswerKind.of(config).is_probability or loss is None else f" ({loss})"
        return f"Loss{of}:\n\n{listed}"
    return f"Loss (mean squared error over masked tubelets):\n\n{listed}"
