"""A worker's tools with the shipped weights, opened once for the tests of this folder."""

from collections.abc import Iterator

import pytest

from dicom_node.imaging.decoding import DecoderPool
from worker.loaded_models import LoadedModels


@pytest.fixture(scope="session")
def decoders() -> Iterator[DecoderPool]:
    with DecoderPool(processes=2, memory_bytes=2 << 30, timeout_s=30) as pool:
        yield pool


@pytest.fixture(scope="session")
def models() -> LoadedModels:
    return LoadedModels(None, "cpu")
