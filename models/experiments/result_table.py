"""A table of results: as text for people, as JSON for machines and as CSV in the run folder."""

import csv
from dataclasses import dataclass
from pathlib import Path

Value = str | int | float | None
PLACES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultTable:
    """Rows under columns, with what must be said about them."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]
    notes: tuple[str, ...] = ()

    def as_text(self) -> str:
        """Return the table in Markdown."""
        head = [f"## {self.title}", "", _line(self.columns), _line(("---",) * len(self.columns))]
        body = [_line(tuple(_shown(value) for value in row)) for row in self.rows]
        return "\n".join([*head, *body, "", *(f"- {note}" for note in self.notes)])

    def as_dict(self) -> dict[str, object]:
        """Return the table with a dictionary a row."""
        return {
            "title": self.title,
            "rows": [dict(zip(self.columns, row, strict=True)) for row in self.rows],
            "notes": list(self.notes),
        }

    def write(self, path: Path) -> None:
        """Write the rows as CSV, full precision; the notes are in the printed table."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(self.columns)
            writer.writerows(self.rows)


def _line(fields: tuple[str, ...]) -> str:
    return f"| {' | '.join(fields)} |"


def _shown(value: Value) -> str:
    match value:
        case None:
            return ""
        case float():
            return f"{value:.{PLACES}g}"
        case _:
            return str(value)
