"""Champion against challenger: two models' words on the same studies, without a truth to judge either by."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median, quantiles

from dicom_node.domain.finding import (
    AnalysisState,
    Condition,
    Finding,
    ModelIdentity,
    Presence,
    impression_of,
)

UNDETERMINED = "undetermined"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one model said of a study."""

    state: AnalysisState
    reason: str
    findings: tuple[Finding, ...]
    """Most probable first."""
    seconds: float | None
    """From the moment a worker took it up to its end; None where that was not kept."""

    @property
    def verdict(self) -> str:
        """The condition that is present, ``undetermined``, or why there is neither."""
        if self.state is not AnalysisState.COMPLETED:
            return str(self.state.value).lower()
        impression = impression_of(self.findings)
        return UNDETERMINED if impression is None else str(impression.condition.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Both models' readings of one study."""

    study_instance_uid: str
    champion: Reading
    challenger: Reading

    @property
    def both_read(self) -> bool:
        """Whether both have Findings."""
        return self.champion.state is self.challenger.state is AnalysisState.COMPLETED


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """How one condition's probability lies with the challenger, compared with the champion."""

    condition: Condition
    champion_mean: float
    challenger_mean: float
    mean_absolute_difference: float
    """Study by study."""
    largest_gap: float
    """Between the two cumulative distributions (Kolmogorov-Smirnov distance), 0..1."""
    only_champion: int
    """Studies where only the champion says PRESENT."""
    only_challenger: int
    p_value: float
    """Exact McNemar test that both say PRESENT equally often; it says nothing of who is right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """How long one model's readings took, in seconds."""

    readings: int
    median_s: float
    p95_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The paired report."""

    champion: ModelIdentity
    challenger: ModelIdentity
    studies: int
    """Closed by both, whatever came of it."""
    both_read: int
    agree: int
    """Of ``both_read``: the same verdict."""
    kappa: float | None
    """Cohen's, of the verdicts where both read; None where chance alone would agree on everything."""
    table: Mapping[tuple[str, str], int]
    """Champion's verdict, challenger's verdict: how many studies."""
    shifts: tuple[Shift, ...]
    champion_latency: Latency | None
    challenger_latency: Latency | None
    disagreeing: tuple[Pair, ...]


def compared(champion: ModelIdentity, challenger: ModelIdentity, pairs: Sequence[Pair]) -> Comparison:
    """Return the paired report over the studies that both models have closed."""
    both = [pair for pair in pairs if pair.both_read]
    table = Counter((pair.champion.verdict, pair.challenger.verdict) for pair in pairs)
    verdicts = [(pair.champion.verdict, pair.challenger.verdict) for pair in both]
    return Comparison(
        champion=champion,
        challenger=challenger,
        studies=len(pairs),
        both_read=len(both),
        agree=sum(one == other for one, other in verdicts),
        kappa=cohens_kappa(verdicts),
        table=dict(sorted(table.items())),
        shifts=tuple(_shift(condition, both) for condition in Condition if _speak_of(condition, both)),
        champion_latency=_latency([pair.champion for pair in both]),
        challenger_latency=_latency([pair.challenger for pair in both]),
        disagreeing=tuple(pair for pair in pairs if pair.champion.verdict != pair.challenger.verdict),
    )


def cohens_kappa(verdicts: Sequence[tuple[str, str]]) -> float | None:
    """Return the agreement beyond chance; None where it is undefined."""
    if not verdicts:
        return None
    number = len(verdicts)
    observed = sum(one == other for one, other in verdicts) / number
    ones, others = Counter(one for one, _ in verdicts), Counter(other for _, other in verdicts)
    chance = sum(ones[verdict] * others[verdict] for verdict in ones) / number**2
    return None if chance == 1 else (observed - chance) / (1 - chance)


def mcnemar_exact(only_one: int, only_other: int) -> float:
    """Return the two-sided p-value of as uneven a split of the discordant pairs, were both equally likely."""
    discordant = only_one + only_other
    tail = sum(math.comb(discordant, k) for k in range(min(only_one, only_other) + 1))
    return min(1.0, float(2 * tail / 2**discordant))


def largest_gap(ones: Sequence[float], others: Sequence[float]) -> float:
    """Return the largest difference of the two cumulative distributions."""
    first, second = sorted(ones), sorted(others)
    gap, at_first, at_second = 0.0, 0, 0
    for value in sorted({*first, *second}):
        while at_first < len(first) and first[at_first] <= value:
            at_first += 1
        while at_second < len(second) and second[at_second] <= value:
            at_second += 1
        gap = max(gap, abs(at_first / len(first) - at_second / len(second)))
    return gap


def _speak_of(condition: Condition, both: Sequence[Pair]) -> bool:
    """Tell whether both models know the condition."""
    return any(_of(pair.champion, condition) and _of(pair.challenger, condition) for pair in both)


def _shift(condition: Condition, both: Sequence[Pair]) -> Shift:
    found = [
        (one, other)
        for pair in both
        if (one := _of(pair.champion, condition)) and (other := _of(pair.challenger, condition))
    ]
    present = [(one.presence is Presence.PRESENT, other.presence is Presence.PRESENT) for one, other in found]
    only_champion, only_challenger = present.count((True, False)), present.count((False, True))
    return Shift(
        condition=condition,
        champion_mean=fmean(one.probability for one, _ in found),
        challenger_mean=fmean(other.probability for _, other in found),
        mean_absolute_difference=fmean(abs(one.probability - other.probability) for one, other in found),
        largest_gap=largest_gap(
            [one.probability for one, _ in found], [other.probability for _, other in found]
        ),
        only_champion=only_champion,
        only_challenger=only_challenger,
        p_value=mcnemar_exact(only_champion, only_challenger),
    )


def _of(reading: Reading, condition: Condition) -> Finding | None:
    return next((finding for finding in reading.findings if finding.condition is condition), None)


def _latency(readings: Sequence[Reading]) -> Latency | None:
    seconds = [reading.seconds for reading in readings if reading.seconds is not None]
    if not seconds:
        return None
    p95 = quantiles(seconds, n=20, method="inclusive")[-1] if len(seconds) > 1 else seconds[0]
    return Latency(readings=len(seconds), median_s=median(seconds), p95_s=p95)
