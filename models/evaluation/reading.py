"""Reads the pictures of a manifest with an engine: a few threads decode while the network runs."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from models.datasets.manifest import ImageRow
from models.datasets.pixel_cache import decode
from models.engines import Engine
from models.errors import UnreadablePicture
from models.evaluation.answers import AnsweredRows, answered_rows, run_network
from models.evaluation.border_baseline import SIDE, small_pictures
from models.networks.interface import ChestNetwork
from models.preprocessing_spec import Preprocessing

CHUNK = 64
DECODERS = 2
DEEP_MODES = frozenset({"I", "F", "I;16", "I;16B", "I;16L", "I;16N"})
TOO_DEEP = "more than 8 bits a pixel, and nothing says which value is white: convert it to 8 bits"
Grey = npt.NDArray[np.uint8]


class Unreadable(Enum):
    """What to do about a picture that is missing or broken."""

    REFUSE = "stop and name it"
    SKIP = "leave it out and count it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """What reads, and where pictures lie."""

    network: ChestNetwork | Engine
    preprocessing: Preprocessing
    labels: tuple[str, ...]
    temperature: float
    roots: tuple[Path, ...]
    """Folders that a row's file may be relative to; the first that has it counts."""
    unreadable: Unreadable = Unreadable.REFUSE


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What was answered, and what could not be read."""

    answered: AnsweredRows
    small: npt.NDArray[np.float32]
    """(n, 32, 32) in [0, 1]: what the border baseline sees of the same pictures."""
    skipped: tuple[UnreadablePicture, ...]


def read_pictures(reader: Reader, rows: Sequence[ImageRow], advance: Callable[[int, int], None]) -> Reading:
    """Answer every row, in their order.

    Raises
    ------
    UnreadablePicture
        A picture is missing or broken and none may be skipped; missing ones are found before any is read.
    """
    paths = [_path_of(row, reader.roots) for row in rows]
    if reader.unreadable is Unreadable.REFUSE:
        _need(paths)
    gathered = _Gathered(reader)
    for theirs, decoded in _chunks(rows, paths, reader.preprocessing):
        gathered.add(theirs, decoded)
        advance(len(gathered.rows) + len(gathered.skipped), len(rows))
    return gathered.reading()


class _Gathered:
    """What was read so far."""

    def __init__(self, reader: Reader) -> None:
        self.rows: list[ImageRow] = []
        self.skipped: list[UnreadablePicture] = []
        self._reader = reader
        self._logits = [torch.empty(0, len(reader.labels))]
        self._small = [np.empty((0, SIDE, SIDE), dtype=np.float32)]

    def add(self, rows: Sequence[ImageRow], decoded: Sequence[Grey | UnreadablePicture]) -> None:
        """Run the next pictures, without those that could not be decoded."""
        pixels: list[Grey] = []
        for row, item in zip(rows, decoded, strict=True):
            if not isinstance(item, UnreadablePicture):
                pixels.append(item)
                self.rows.append(row)
            elif self._reader.unreadable is Unreadable.REFUSE:
                raise item
            else:
                self.skipped.append(item)
        if pixels:
            stack = np.stack(pixels)
            self._logits.append(run_network(self._reader.network, stack, self._reader.preprocessing).logits)
            self._small.append(small_pictures(stack))

    def reading(self) -> Reading:
        """Return everything."""
        reader = self._reader
        return Reading(
            answered=answered_rows(self.rows, torch.cat(self._logits), reader.labels, reader.temperature),
            small=np.concatenate(self._small),
            skipped=tuple(self.skipped),
        )


def _need(paths: Sequence[Path]) -> None:
    for path in paths:
        if not path.is_file():
            raise UnreadablePicture(path, "there is no such file")


def _chunks(
    rows: Sequence[ImageRow], paths: Sequence[Path], spec: Preprocessing
) -> Iterator[tuple[Sequence[ImageRow], list[Grey | UnreadablePicture]]]:
    """Yield rows with their decoded pictures; the next chunk is decoded while the caller works."""
    with ThreadPoolExecutor(DECODERS, initializer=torch.set_num_threads, initargs=(1,)) as pool:

        def begin(first: int) -> list[Future[Grey | UnreadablePicture]]:
            some = zip(rows[first : first + CHUNK], paths[first : first + CHUNK], strict=True)
            return [pool.submit(_decode, path, row, spec) for row, path in some]

        ahead = begin(0)
        for first in range(0, len(rows), CHUNK):
            now, ahead = ahead, begin(first + CHUNK)
            yield rows[first : first + CHUNK], [future.result() for future in now]


def _decode(path: Path, row: ImageRow, spec: Preprocessing) -> Grey | UnreadablePicture:
    try:
        with Image.open(path) as picture:
            deep = picture.mode in DEEP_MODES
        return UnreadablePicture(path, TOO_DEEP) if deep else decode(path, spec, row.crop)
    except FileNotFoundError:
        return UnreadablePicture(path, "there is no such file")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return UnreadablePicture(path, f"no picture that can be read ({error})")


def _path_of(row: ImageRow, roots: Sequence[Path]) -> Path:
    candidates = [root / row.file for root in roots]
    return next((path for path in candidates if path.is_file()), candidates[0])
