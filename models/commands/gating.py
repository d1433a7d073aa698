"""`gate`: what the chest gate was tried on, and what it says of pictures at hand."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import typer
from PIL import Image

from models.allocator import keep_freed_memory
from models.catalog import load
from models.chest_gate import ChestGate
from models.commands.speech import plain_errors, progress_bar
from models.contract import FloatArray, GateVerdict, ModelCard
from models.datasets.image_files import pictures_below
from models.engines import Engine
from models.errors import DataMissing, ModelsError, UnusableInput
from models.evaluation.gate_chart import draw_gate, write_families
from models.evaluation.gate_tables import gate_text
from models.evaluation.tables import table
from models.installation import card_named
from models.preprocessing import prepare_grey


class NoGate(ModelsError):
    """A model was installed without a chest gate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateOrder:
    """Which model's gate, on what, and where the files go."""

    name: str
    pictures: Path | None
    """A folder; the folders in it name the kinds of pictures."""
    out: Path | None
    weights: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One picture and what the gate says of it."""

    file: str
    kind: str
    verdict: GateVerdict


def run_gate(order: GateOrder, *, threads: int, as_json: bool) -> int:
    """Print what the gate was tried on, judge the pictures, and write tables and chart."""
    keep_freed_memory()
    torch.set_num_threads(threads)
    with plain_errors(), progress_bar() as advance:
        card = card_named(order.name, order.weights)
        if card.gate is None:
            raise NoGate(f"{card.name} {card.version} has no chest gate")
        files = _files(order.pictures) if order.pictures else ()
        judged = []
        for done, one in enumerate(_judge(card, order.pictures, files, threads), start=1):
            judged.append(one)
            advance("judging", done, len(files))
        if order.out:
            _write(card, judged, order.out)
    typer.echo(json.dumps(_as_dict(card, judged)) if as_json else _as_text(card, judged))
    return 0


def _files(folder: Path) -> tuple[Path, ...]:
    found = pictures_below(folder) if folder.is_dir() else ()
    if not found:
        raise DataMissing(folder)
    return found


def _judge(card: ModelCard, folder: Path | None, files: tuple[Path, ...], threads: int) -> Iterator[Judged]:
    if not files or folder is None:
        return
    classifier = load(card, threads=threads)
    if classifier.gate is None:
        raise NoGate(f"{card.name} {card.version} has no chest gate")
    for path in files:
        inside = path.relative_to(folder)
        kind = inside.parts[0] if len(inside.parts) > 1 else folder.name
        verdict = _verdict(card, classifier.engine, classifier.gate, _grey(path))
        yield Judged(file=inside.as_posix(), kind=kind, verdict=verdict)


@torch.inference_mode()
def _verdict(card: ModelCard, engine: Engine, gate: ChestGate, pixels: FloatArray) -> GateVerdict:
    explained = engine.run(prepare_grey(torch.from_numpy(pixels)[None], card.preprocessing))
    return gate.judge(pixels, explained.pooled[0], explained.logits[0])


def _grey(path: Path) -> FloatArray:
    try:
        with Image.open(path) as picture:
            return np.asarray(picture.convert("L"), dtype=np.float32) / np.float32(255)
    except OSError as error:
        raise UnusableInput(f"{path} is no picture that can be read") from error


def _write(card: ModelCard, judged: list[Judged], out: Path) -> None:
    assert card.gate is not None  # noqa: S101  checked before anything is judged
    out.mkdir(parents=True, exist_ok=True)
    if card.gate.families:
        draw_gate(card.gate, f"Chest gate of {card.name} {card.version}", out / "gate.png")
    write_families(card.gate, out / "gate.csv")
    if judged:
        with (out / "verdicts.csv").open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(("file", "kind", "passed", "score", "reason"))
            writer.writerows(_cells(one) for one in judged)


def _cells(one: Judged) -> tuple[str, str, str, str, str]:
    passed = "yes" if one.verdict.passed else "no"
    return one.file, one.kind, passed, f"{one.verdict.score:.3f}", one.verdict.reason


def _as_dict(card: ModelCard, judged: list[Judged]) -> dict[str, object]:
    return {
        "gate": card.gate.model_dump(mode="json") if card.gate else None,
        "pictures": [
            {
                "file": one.file,
                "kind": one.kind,
                "passed": one.verdict.passed,
                "score": round(one.verdict.score, 4),
                "reason": one.verdict.reason,
            }
            for one in judged
        ],
    }


def _as_text(card: ModelCard, judged: list[Judged]) -> str:
    parts = [gate_text(card.gate)] if card.gate else []
    kinds = sorted({one.kind for one in judged})
    if kinds:
        refused = {kind: [not one.verdict.passed for one in judged if one.kind == kind] for kind in kinds}
        rows = [(kind, str(len(r)), f"{np.mean(r):.1%}") for kind, r in refused.items()]
        parts.append(table(("kind", "pictures", "refused"), rows) + "\n")
        parts.append(table(("file", "kind", "passes", "score", "reason"), [_cells(one) for one in judged]))
    return "\n".join(parts)
