"""Requirements that no installation can meet, or that stop later (ENV001)."""

from __future__ import annotations

from .operators import written


def _pair(name: str, *edits: tuple[str, str]) -> None:
    written("ENV001", name, "", *edits)


_TORCH = "\ntorch==2.1.0\ntorchvision==0.16.0\ntorchaudio==2.1.0\n"

# In the lines of a requirements.txt
_pair("vision-of-another-torch", ("\ntorchvision==0.16.0\n", "\ntorchvision==0.15.2\n"))
_pair("audio-of-another-torch", ("\ntorchaudio==2.1.0\n", "\ntorchaudio==2.2.0\n"))
_pair("torch-raised-alone", ("\ntorch==2.1.0\n", "\ntorch==2.3.1\n"))
_pair("numpy-2", ("\nnumpy==1.26.4\n", "\nnumpy==2.0.1\n"))
_pair("tokenizers-of-another-time", ("\ntokenizers==0.15.0\n", "\ntokenizers==0.20.0\n"))
_pair(
    "lightning-too-new",
    ("\npytorch-lightning==2.1.2\n", "\npytorch-lightning==2.5.0\n"),
    (_TORCH, "\ntorch==1.13.1\ntorchvision==0.14.1\ntorchaudio==0.13.1\n"),
)
_pair("mmcv-of-another-time", ("\nmmcv==2.1.0\n", "\nmmcv==1.7.1\n"))
_pair("pandas-without-numpy-2", ("numpy==1.26.4\n", "numpy>=2.0,<2.1\n"), (_TORCH, "\n"))
_pair("extension-of-another-torch", ("\ntqdm>=4.65\n", "\nxformers==0.0.25\ntqdm>=4.65\n"))
_pair("text-of-another-torch", ("\ntqdm>=4.65\n", "\ntorchtext==0.14.1\ntqdm>=4.65\n"))

# In a setup.py
_pair("vision-of-another-torch", ('"torchvision==0.16.0"', '"torchvision==0.17.2"'))
_pair("numpy-2", ('"numpy>=1.24,<2"', '"numpy>=2"'))
_pair("extra-of-another-torch", ('["torchaudio==2.1.0"]', '["torchaudio==2.3.0"]'))

# In a pyproject.toml
_pair("vision-bounded-from-above", ('"torchvision>=0.17,<0.18"', '"torchvision>=0.15,<0.17"'))
_pair("torch-raised-alone", ('"torch>=2.2,<2.3"', '"torch>=2.4"'))
_pair("numpy-2", ('"numpy<2"', '"numpy>=2.0"'))
_pair("extra-of-another-torch", ('"torchaudio>=2.2,<2.3"', '"torchaudio~=2.0.1"'))
_pair("tokenizers-of-another-time", ('    "rich",\n', '    "tokenizers==0.13.3",\n    "rich",\n'))

# In an environment.yml
_pair("vision-of-another-torch", ("torchvision=0.17.0", "torchvision=0.15.2"))
_pair("audio-of-another-torch", ("torchaudio=2.2.0", "torchaudio=2.1.2"))
_pair("numpy-2", ("numpy=1.26", "numpy=2.0"))
_pair("tokenizers-of-another-time", ("tokenizers==0.15.2", "tokenizers==0.13.3"))
