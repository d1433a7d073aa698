"""Phantoms drawn with ellipses: a chest film, a chest and a head on CT, a limb; no patient ever looked so."""

import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.float64]
Hounsfield = npt.NDArray[np.int16]


def chest_film_pixels(rows: int, columns: int, seed: int) -> Grey:
    """A frontal chest in [0, 1], white is dense: trunk, two lungs, spine, heart, ribs."""
    y, x = _unit_grid(rows, columns)
    film = 0.05 + 0.6 * _ellipse(y, x, 0.1, 0.0, 1.3, 0.95)
    lungs = np.maximum(_ellipse(y, x, -0.1, -0.42, 0.62, 0.3), _ellipse(y, x, -0.1, 0.42, 0.62, 0.3))
    film = film * (1 - 0.65 * lungs)
    film += 0.06 * lungs * (np.sin(22 * (y + 0.25 * np.abs(x))) > 0.4)
    film += 0.25 * (np.abs(x) < 0.08) + 0.25 * _ellipse(y, x, 0.25, 0.15, 0.3, 0.3)
    noise = np.random.default_rng(seed).normal(0, 0.01, film.shape)
    return np.clip(film + noise, 0, 1)


def limb_film_pixels(rows: int, columns: int, seed: int) -> Grey:
    """A lower leg in [0, 1], white is dense: soft tissue with two bones on a black background."""
    y, x = _unit_grid(rows, columns)
    film = 0.35 * (np.abs(x) < 0.4) + 0.45 * (np.abs(x + 0.1) < 0.12) + 0.35 * (np.abs(x - 0.2) < 0.05)
    noise = np.random.default_rng(seed).normal(0, 0.01, film.shape)
    return np.clip(film + 0.1 * (y > 0.6) * (np.abs(x) < 0.3) + 0.02 + noise, 0, 1)


def chest_ct_pixels(size: int, field_mm: float, height: float, seed: int) -> Hounsfield:
    """An axial chest in HU: body with fat and ribs, two lungs with vessels, spine, heart, air outside.

    ``height`` runs from 0 (below the lungs) to 1 (above them); the lungs are largest in the middle.
    Like enough to a chest for the slice model's gate, which wants fat, ribs and tapering vessels.
    """
    y, x = _unit_grid(size, size) * (field_mm / 2)
    generator = np.random.default_rng([seed, round(height * 1000)])
    hounsfield = np.full((size, size), -1000.0)
    hounsfield[_ellipse(y, x, 0, 0, 110, 160) > 0] = -100
    hounsfield[_ellipse(y, x, 0, 0, 98, 146) > 0] = 40
    spread = np.sqrt(max(0.0, 1 - (2 * height - 1) ** 2))
    for side in (-1, 1):
        lung = _ellipse(y, x, -5, side * 75, 80 * spread + 1e-3, 55 * spread + 1e-3) > 0
        hounsfield[lung] = -850
        for _ in range(30):
            hounsfield[lung & _vessel(y, x, side, generator)] = generator.uniform(-300, 40)
    hounsfield[_ellipse(y, x, -25, 15, 45, 40) > 0] = 50
    hounsfield[_ellipse(y, x, 70, 0, 22, 20) > 0] = 400
    for angle in np.linspace(0.15, 2 * np.pi + 0.15, 14, endpoint=False):
        hounsfield[_ellipse(y, x, 92 * np.sin(angle), 139 * np.cos(angle), 5, 7) > 0] = 500
    return _noisy(hounsfield, generator)


def _vessel(y: Grey, x: Grey, side: int, generator: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Where one vessel runs: thick at the hilum, thin outwards, across or along the slice."""
    angle, away = generator.uniform(0, 2 * np.pi), generator.uniform(0, 1) ** 0.7
    across, down = side * (45 + 75 * away * abs(np.cos(angle))), 72 * away * np.sin(angle)
    thick = 1.2 + 5 * (1 - away) ** 2
    length = thick * generator.uniform(1, 3)
    return _ellipse(y, x, down, across, generator.choice([thick, length]), length) > 0


def head_ct_pixels(size: int, field_mm: float, height: float, seed: int) -> Hounsfield:
    """An axial head in HU: skull, brain, ventricles and, low down, air in the sinuses."""
    y, x = _unit_grid(size, size) * (field_mm / 2)
    generator = np.random.default_rng([seed, round(height * 1000)])
    hounsfield = np.full((size, size), -1000.0)
    for half_length, half_width, value in ((100, 80, 30), (95, 75, 1100), (88, 68, 35)):
        hounsfield[_ellipse(y, x, 0, 0, half_length, half_width) > 0] = value
    hounsfield[_ellipse(y, x, -10, 0, 20, 6) > 0] = 5
    if height < 0.5:
        for side in (-1, 1):
            hounsfield[_ellipse(y, x, -65, side * 22, 12, 14) > 0] = -1000
    return _noisy(hounsfield, generator)


def _noisy(hounsfield: Grey, generator: np.random.Generator) -> Hounsfield:
    return np.clip(hounsfield + generator.normal(0, 8, hounsfield.shape), -1024, 3071).astype(np.int16)


def _unit_grid(rows: int, columns: int) -> Grey:
    """Return (2, rows, columns): downwards and across, each from -1 to 1."""
    return np.stack(np.meshgrid(np.linspace(-1, 1, rows), np.linspace(-1, 1, columns), indexing="ij"))


def _ellipse(y: Grey, x: Grey, down: float, across: float, half_height: float, half_width: float) -> Grey:
    """Return 1 within the ellipse, 0 outside."""
    return (((y - down) / half_height) ** 2 + ((x - across) / half_width) ** 2 < 1).astype(np.float64)
