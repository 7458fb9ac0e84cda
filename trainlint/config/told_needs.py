"""What releases require of each other and of Python and no metadata say, each with its source.

A row reads as those of `needs`.
"""

SOURCES = {
    "torch 0.1.12 0.4.1 1.0.0 python <3.8": (
        "https://pytorch.org/get-started/previous-versions (no wheel is for a later Python)"
    ),
    "torch 1.0.0 2.2.2 2.3.0 numpy <2": (
        "https://github.com/pytorch/pytorch/issues/107302 (torch is built for NumPy 2 since 2.3; "
        "earlier ones cannot hand tensors to NumPy 2)"
    ),
    "chainer 1.0.0 7.8.1 - numpy <2": (
        "https://github.com/chainer/chainer/blob/v7.8.1/chainer/functions/array/as_strided.py "
        "(`numpy.sctypes`, gone with NumPy 2, is read at the import)"
    ),
    "mxnet 1.0.0 1.9.1 - numpy <1.24": (
        "https://github.com/apache/mxnet/issues/21165 (`numpy.bool` is read at the import)"
    ),
    "theano 1.0.0 1.0.5 - numpy <1.22": (
        "https://github.com/Theano/Theano/issues/6788, https://github.com/numpy/numpy/issues/21079 "
        "(`blas_opt_info` of NumPy's build is read at the import)"
    ),
}
