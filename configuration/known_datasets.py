"""Known data sets of faces: labels in the order of class indices, sampling rates, and terms of use."""

from typing import NamedTuple


DATASET_LABELS = {
    "dfew": ["happy", "sad", "neutral", "angry", "surprise", "disgust", "fear"],
    "ferv39k": ["Happy", "Sad", "Neutral", "Angry", "Surprise", "Disgust", "Fear"],
    "mafw": [
        "anger",
        "disgust",
        "fear",
        "happiness",
        "neutral",
        "sadness",
        "surprise",
        "contempt",
        "anxiety",
        "helplessness",
        "disappointment",
    ],
    "crema-d": ["ANG", "DIS", "FEA", "HAP", "NEU", "SAD"],
    "ravdess": ["neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"],
    "enterface": ["anger", "disgust", "fear", "happiness", "sadness", "surprise"],
}

# Published recipes use every 4th frame. The clips of FERV39k are short.
DATASET_SAMPLING_RATES = dict.fromkeys(DATASET_LABELS, 4) | {"ferv39k": 1}


class DatasetTerms(NamedTuple):
    """A data set in a model card.

    Attributes:
        title: Its name, as its owners write it.
        page: Its web page, or None.
        terms: How it may be used: the end of a sentence that begins with the title.
    """

    title: str
    page: str | None
    terms: str


_BY_AGREEMENT = "is for research use by agreement with its owners; see their page"

DATASET_TERMS = {
    "dfew": DatasetTerms("DFEW", "https://dfew-dataset.github.io/", _BY_AGREEMENT),
    "ferv39k": DatasetTerms("FERV39k", "https://wangyanckxx.github.io/Proj_CVPR2022_FERV39k.html", _BY_AGREEMENT),
    "mafw": DatasetTerms("MAFW", "https://mafw-database.github.io/MAFW/", _BY_AGREEMENT),
    "crema-d": DatasetTerms(
        "CREMA-D",
        "https://github.com/CheyneyComputerScience/CREMA-D",
        "is available under the Open Database License (ODbL)",
    ),
    "ravdess": DatasetTerms(
        "RAVDESS", "https://zenodo.org/records/1188976", "is licensed CC BY-NC-SA 4.0: not for commercial use"
    ),
    "enterface": DatasetTerms("eNTERFACE'05", "http://www.enterface.net/enterface05/", _BY_AGREEMENT),
    "voxceleb2": DatasetTerms(
        "VoxCeleb2",
        "https://www.robots.ox.ac.uk/~vgg/data/voxceleb/vox2.html",
        "is licensed CC BY 4.0; the copyright of the videos remains with their owners",
    ),
    "drawn-faces": DatasetTerms(
        "faces drawn by lgi-former quickstart", None, "show no real person and need no licence"
    ),
}
