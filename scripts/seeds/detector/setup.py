"""The package of a detector."""

from setuptools import find_packages, setup

setup(
    name="detector",
    version="0.3.0",
    packages=find_packages(),
    python_requires=">=3.10",
    install_requires=[
        "torch==2.1.0",
        "torchvision==0.16.0",
        "numpy>=1.24,<2",
        "Pillow>=10",
        "tqdm",
    ],
    extras_require={"audio": ["torchaudio==2.1.0"]},
)
