import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from dicom_node.errors import OutOfResources, UnreadablePixels
from dicom_node.imaging.decoding import DecoderPool
from dicom_node.imaging.radiograph import read_radiograph
from dicom_node.imaging.transfer_syntaxes import sample_image
from dicom_node.imaging.volume import read_slice
from tests.synthetic.studies import (
    chest_film,
    compressed,
    ct_series,
    enhanced_ct,
    write,
    write_all,
)

MEMORY = 1 << 30


@pytest.fixture(scope="module")
def pool() -> Iterator[DecoderPool]:
    with DecoderPool(processes=2, memory_bytes=MEMORY, timeout_s=20) as made:
        yield made


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return write(chest_film(), tmp_path / "good.dcm")


def until(condition: Callable[[], bool], deadline_s: float = 20) -> None:
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def fifo(path: Path) -> Path:
    """A file that never comes: opening it to read waits for a writer."""
    os.mkfifo(path)
    return path


def test_a_film_comes_back_as_it_is_read_here(pool: DecoderPool, good: Path) -> None:
    film = pool.submit_film(good).result()
    here = read_radiograph(chest_film())
    np.testing.assert_array_equal(film.pixels, here.pixels)
    assert (film.spacing_mm, film.sop_instance_uid) == (here.spacing_mm, here.sop_instance_uid)


def test_slices_come_in_the_order_of_the_paths(pool: DecoderPool, tmp_path: Path) -> None:
    datasets = ct_series(slices=25, size=32)
    paths = write_all(datasets, tmp_path)[::-1]
    read = list(pool.decode_slices(paths))
    assert [each.sop_instance_uid for each in read] == [each.SOPInstanceUID for each in datasets[::-1]]
    np.testing.assert_array_equal(read[3].hounsfield, read_slice(datasets[-4]).hounsfield)


def test_an_enhanced_ct_gives_all_its_slices(pool: DecoderPool, tmp_path: Path) -> None:
    paths = [write(enhanced_ct(slices=7), tmp_path / "enhanced.dcm")]
    assert [each.frame_number for each in pool.decode_slices(paths)] == [1, 2, 3, 4, 5, 6, 7]


def test_many_threads_may_ask_at_once(pool: DecoderPool, tmp_path: Path) -> None:
    stacks = [write_all(ct_series(study=number, slices=8, size=32), tmp_path) for number in range(10, 14)]
    found: dict[int, list[str]] = {}

    def ask(number: int) -> None:
        found[number] = [str(each.sop_instance_uid) for each in pool.decode_slices(stacks[number])]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[number] for number in range(4)] == [[path.stem for path in stack] for stack in stacks]


def test_reading_may_stop_early(pool: DecoderPool, tmp_path: Path, good: Path) -> None:
    reading = pool.decode_slices(write_all(ct_series(slices=25, size=32), tmp_path))
    next(reading)
    reading.close()  # type: ignore[attr-defined]
    assert pool.submit_film(good).result().pixels.size


def wait_for_reader(path: Path) -> int:
    """Open the end of a fifo that a child has open for reading; return the descriptor."""
    found: list[int] = []

    def is_open() -> bool:
        with suppress(OSError):
            found.append(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
        return bool(found)

    until(is_open)
    return found[0]


def test_a_film_whose_reader_is_killed_from_outside_is_read_by_another(pool: DecoderPool, good: Path) -> None:
    victims = set(pool.child_pids())
    for pid in victims:
        os.kill(pid, signal.SIGSTOP)
    waiting = [pool.submit_film(good) for _ in range(4)]

    for pid in victims:
        os.kill(pid, signal.SIGKILL)

    assert all(each.result(timeout=20).pixels.size for each in waiting)
    assert not victims & set(pool.child_pids())


def test_a_file_whose_readers_are_killed_twice_costs_only_itself(
    pool: DecoderPool, tmp_path: Path, good: Path
) -> None:
    never = fifo(tmp_path / "never.dcm")
    waiting = pool.submit_film(never)

    for _ in range(2):
        writer = wait_for_reader(never)
        victims = pool.child_pids()
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        os.close(writer)
        until(lambda killed=victims: pool.child_pids() != killed)

    with pytest.raises(UnreadablePixels, match="died of SIGKILL"):
        waiting.result(timeout=20)
    until(lambda: pool.submit_film(good).exception(timeout=20) is None)


def test_a_file_that_hangs_is_given_up_and_the_others_are_read(tmp_path: Path, good: Path) -> None:
    with DecoderPool(processes=2, memory_bytes=MEMORY, timeout_s=1) as impatient:
        assert impatient.submit_film(good).result().pixels.size
        hanging = impatient.submit_film(fifo(tmp_path / "never.dcm"))
        beside = [impatient.submit_film(good) for _ in range(5)]
        assert all(each.result(timeout=20).pixels.size for each in beside)
        with pytest.raises(UnreadablePixels, match="longer than 1 s"):
            hanging.result(timeout=20)
        assert impatient.submit_film(good).result(timeout=20).pixels.size


def bombs(folder: Path) -> Iterator[Path]:
    yield write(chest_film(Rows=65535, Columns=65535), folder / "claims.dcm")
    packed = compressed(chest_film(), JPEG2000Lossless)
    frame = bytearray(next(generate_frames(packed.PixelData, number_of_frames=1)))
    size = frame.index(b"\xff\x51")
    for offset in (6, 10, 22, 26):  # Xsiz, Ysiz, XTsiz, YTsiz of ISO 15444-1 A.5.1
        frame[size + offset : size + offset + 4] = (60000).to_bytes(4, "big")
    packed.PixelData = encapsulate([bytes(frame)])
    yield write(packed, folder / "codestream.dcm")
    yield write(enhanced_ct(NumberOfFrames=60000), folder / "frames.dcm")


def test_a_decompression_bomb_is_refused(pool: DecoderPool, tmp_path: Path, good: Path) -> None:
    for path in bombs(tmp_path):
        for submit in (pool.submit_film, pool.submit_slices):
            with pytest.raises(UnreadablePixels):
                submit(path).result()
    assert pool.submit_film(good).result().pixels.size


def test_a_file_that_needs_too_much_memory_costs_its_child_only(tmp_path: Path, good: Path) -> None:
    big = chest_film(Rows=6000, Columns=6000, PixelData=bytes(2 * 6000 * 6000))
    with DecoderPool(processes=1, memory_bytes=400 << 20, timeout_s=20) as small:
        assert small.submit_film(good).result().pixels.size
        with pytest.raises(UnreadablePixels):
            small.submit_film(write(big, tmp_path / "big.dcm")).result()
        assert small.submit_film(good).result().pixels.size


def test_a_pool_that_cannot_start_its_children_says_so_and_never_hangs(good: Path) -> None:
    with DecoderPool(processes=1, memory_bytes=32 << 20, timeout_s=5) as starved:
        for _ in range(2):
            with pytest.raises(OutOfResources, match="does not start"):
                starved.submit_film(good).result(timeout=60)


def broken_streams(folder: Path) -> Iterator[Path]:
    noise = bytes(np.random.default_rng(1).integers(0, 255, 400, dtype=np.uint8))
    for syntax in (JPEGLSLossless, JPEG2000Lossless, RLELossless):
        packed = compressed(chest_film(), syntax)
        frame = next(generate_frames(packed.PixelData, number_of_frames=1))
        middle = len(frame) // 2
        spoilt = {"cut": frame[:middle], "headless": noise + frame[400:]}
        if syntax != JPEG2000Lossless:  # damage within a code block is not detectable (ISO 15444-1)
            spoilt["damaged"] = frame[:middle] + noise + frame[middle + 400 :]
        for name, data in spoilt.items():
            packed.PixelData = encapsulate([data])
            yield write(packed, folder / f"{name}-{syntax}.dcm")


def test_broken_streams_are_refused_and_the_pool_works_on(
    pool: DecoderPool, tmp_path: Path, good: Path
) -> None:
    answers = {path.name: pool.submit_film(path) for path in broken_streams(tmp_path)}
    read = [name for name, each in answers.items() if not isinstance(each.exception(), UnreadablePixels)]
    assert read == []
    assert pool.submit_film(good).result().pixels.size


@pytest.mark.parametrize(
    "uid", ["1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.70"]
)
def test_jpeg_that_the_library_would_patch_up_is_refused(pool: DecoderPool, tmp_path: Path, uid: str) -> None:
    dataset, _ = sample_image(uid)
    frame = next(generate_frames(dataset.PixelData, number_of_frames=1))
    film = chest_film(modality="CR", bits=dataset.BitsStored, size=(16, 16))
    film.file_meta.TransferSyntaxUID = uid
    film.PixelData = encapsulate([frame])
    assert pool.submit_film(write(film, tmp_path / "whole.dcm")).result().pixels.shape == (16, 16)
    scan = frame.index(b"\xff\xda")
    film.PixelData = encapsulate([frame[: scan + 30] + b"\xff\xd9"])
    with pytest.raises(UnreadablePixels):
        pool.submit_film(write(film, tmp_path / "patched.dcm")).result()


def odd_files(folder: Path) -> Iterator[Path]:
    yield folder / "missing.dcm"
    yield folder
    empty = folder / "empty.dcm"
    empty.touch()
    yield empty
    text = folder / "text.dcm"
    text.write_text("no DICOM")
    yield text
    truncated = folder / "truncated.dcm"
    truncated.write_bytes(write(chest_film(), folder / "whole.dcm").read_bytes()[:5000])
    yield truncated
    yield write(chest_film(PixelData=None), folder / "pixelless.dcm")


def test_files_that_are_none_are_refused(pool: DecoderPool, tmp_path: Path) -> None:
    before = pool.child_pids()
    for path in odd_files(tmp_path):
        with pytest.raises(UnreadablePixels):
            pool.submit_film(path).result()
    assert pool.child_pids() == before


def test_an_unreadable_file_ends_its_own_iteration_only(
    pool: DecoderPool, tmp_path: Path, good: Path
) -> None:
    films = pool.decode_films([good, tmp_path / "missing.dcm", good])
    assert next(films).pixels.size
    with pytest.raises(UnreadablePixels):
        next(films)
    assert len(list(pool.decode_films([good, good]))) == 2


def test_children_have_limits_and_none_of_the_environment(
    pool: DecoderPool, good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DICOM_NODE_DATABASE_URL", "secret")
    with DecoderPool(processes=1, memory_bytes=MEMORY, timeout_s=7) as small:
        small.submit_film(good).result()
        (pid,) = small.child_pids()
        limits = Path(f"/proc/{pid}/limits").read_text()
        assert f"{MEMORY}" in next(line for line in limits.splitlines() if "address space" in line)
        cpu_s = int(next(line for line in limits.splitlines() if "cpu time" in line).split()[3])
        assert 7 <= cpu_s <= 30
        assert b"secret" not in Path(f"/proc/{pid}/environ").read_bytes()
        status = Path(f"/proc/{pid}/status").read_text()
        assert "NoNewPrivs:\t1" in status


def test_children_end_with_the_pool(good: Path) -> None:
    with DecoderPool(processes=2, memory_bytes=MEMORY, timeout_s=5) as short:
        assert short.submit_film(good).result().pixels.size
        pids = short.child_pids()
    assert pids
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    with pytest.raises(RuntimeError, match="closed"):
        short.submit_film(good)


def test_children_die_with_a_killed_parent(tmp_path: Path, good: Path) -> None:
    import subprocess
    import sys

    program = (
        "import sys, time; from pathlib import Path; from dicom_node.imaging.decoding import DecoderPool\n"
        "pool = DecoderPool(processes=2, memory_bytes=1 << 30, timeout_s=60)\n"
        "pool.submit_film(Path(sys.argv[1])).result(); pool.submit_film(Path(sys.argv[2]))\n"
        "print(*pool.child_pids(), flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, good, fifo(tmp_path / "never.dcm")], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 2
    parent.kill()
    parent.wait()
    parent.stdout.close()
    until(lambda: not any(_is_alive(pid) for pid in pids))


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False
