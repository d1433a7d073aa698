"""The status page in a real browser: what it shows, what it never shows, and that it asks nobody else."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from dicom_node import readiness
from dicom_node.database import analyses
from dicom_node.database.engine import Database
from dicom_node.domain.job import Queue
from dicom_node.resources import Resources
from tests.dicom_node.web.served import served
from tests.peers.programs import require
from tests.synthetic.stories import (
    CT,
    CXR,
    NOON,
    PACS,
    claim,
    finish,
    header,
    receive,
    receive_study,
    request_analyses,
    start,
    study_uid,
)

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])

HOSTILE = "<img src=x onerror=alert(1)>^EVE"


@dataclass
class Visit:
    """A page that was opened, and everything that the browser complained about or asked for."""

    page: Page
    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = require("chromium")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=str(chromium),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield running
        running.close()


@pytest.fixture
def address(resources: Resources) -> Iterator[str]:
    with served(resources) as address:
        yield address


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Visit]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    seen = Visit(page)
    page.on("request", lambda request: seen.asked.append(request.url))
    page.on("console", lambda message: seen.complaints.append(message.text))
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    page.on("dialog", lambda dialog: (seen.complaints.append(dialog.message), dialog.dismiss()))
    yield seen
    assert seen.complaints == []
    assert all(url.startswith(address) for url in seen.asked)
    page.close()


def tell_the_story(database: Database) -> None:
    """An urgent film that waits for its PACS, a study that no model reads, one that is still coming."""
    request_analyses(database, CXR, number=1)
    finish(database, start(database), destinations=(PACS,), priority=2)
    request_analyses(database, CT, number=2)
    held = start(database)
    with database.begin() as session:
        analyses.close_analysis_not_applicable(
            session, held, reason="no chest on the image", input_digest="", actor="worker:slot-0", now=NOON
        )
    receive_study(database, 3, patient_name=HOSTILE, modality="CT")


def test_the_page_shows_studies_most_urgent_first(visit: Visit, resources: Resources, address: str) -> None:
    tell_the_story(resources.database)
    visit.page.goto(address)
    rows = visit.page.locator(".worklist tbody tr")
    assert rows.count() == 3
    first = rows.nth(0).inner_text()
    assert study_uid(1) in first
    for said in ("2 urgent", "COVID-19 pneumonia", "pending", PACS, "2026-03-02", "0.91, threshold 0.50"):
        assert said in first
    whole = visit.page.locator(".worklist").inner_text()
    assert "not analysed ct-model 2.1.0: no chest on the image" in " ".join(whole.split())
    assert "RECEIVING" in whole


def test_the_page_says_what_runs_and_what_does_not(visit: Visit, resources: Resources, address: str) -> None:
    readiness.announce(resources.settings.run_home, "scp", port=11112)
    visit.page.goto(address)
    table = visit.page.locator("section").nth(0)
    assert table.locator("tr", has_text="scp").inner_text().split("\t") == ["scp", "● ready", "11112"]
    assert "not ready" in table.locator("tr", has_text="dispatcher").inner_text()
    assert "answers" in table.locator("tr", has_text="database").inner_text()
    assert "fails" in table.locator("tr", has_text="broker").inner_text()
    assert visit.page.title() == "DICOM_NODE: not ready"


def test_the_page_says_that_it_is_for_research_and_who_may_send(visit: Visit, address: str) -> None:
    visit.page.goto(address)
    assert visit.page.locator(".banner").inner_text() == "Research use, unverified: not for diagnosis."
    assert "every AE may send" in visit.page.locator(".warning").nth(0).inner_text()


def test_no_patient_is_on_the_page_or_in_the_api(visit: Visit, resources: Resources, address: str) -> None:
    with resources.database.begin() as session:
        receive(
            session,
            header(
                study_uid(7),
                patient_name="CANARY^NAME",
                patient_id="CANARY-ID",
                accession_number="CANARY-ACC",
            ),
        )
    visit.page.goto(address)
    assert study_uid(7) in visit.page.content()
    assert "CANARY" not in visit.page.content()
    assert "CANARY" not in visit.page.request.get(f"{address}/api/status").text()


def test_a_text_from_outside_stays_text(visit: Visit, resources: Resources, address: str) -> None:
    with resources.database.begin() as session:
        receive(session, header(study_uid(8), modality="<script>alert(1)"[:16]))
    visit.page.goto(address)
    assert "<script>alert(1)" in visit.page.locator(".worklist").inner_text()
    assert visit.page.locator("script").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_can_be_read_in_light_and_in_the_dark(
    visit: Visit, resources: Resources, address: str, tmp_path: Path, scheme: str
) -> None:
    """Text and ground differ by 4.5 to 1 at least (WCAG 2.1 AA, 1.4.3)."""
    tell_the_story(resources.database)
    visit.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type] # one of the two words
    visit.page.goto(address)
    visit.page.screenshot(path=str(tmp_path / f"{scheme}.png"), full_page=True)
    for selector in (
        ".banner",
        ".warning",
        "h2",
        "thead th",
        ".worklist .urgent",
        ".worklist .quiet",
        ".bad",
        ".good",
    ):
        assert contrast(visit.page, selector) >= 4.5, selector


def contrast(page: Page, selector: str) -> float:
    text, ground = page.locator(selector).first.evaluate(
        """element => {
            let behind = element;
            const ground = () => getComputedStyle(behind).backgroundColor;
            while (ground() === "rgba(0, 0, 0, 0)") behind = behind.parentElement;
            return [getComputedStyle(element).color, ground()];
        }"""
    )
    brighter, darker = sorted((luminance(text), luminance(ground)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def luminance(css: str) -> float:
    channels = [int(part) / 255 for part in css[css.index("(") + 1 : -1].split(",")[:3]]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_the_page_fits_a_narrow_window(visit: Visit, resources: Resources, address: str) -> None:
    tell_the_story(resources.database)
    visit.page.set_viewport_size({"width": 420, "height": 800})
    visit.page.goto(address)
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 420


def test_jobs_are_counted_by_queue_and_state(visit: Visit, resources: Resources, address: str) -> None:
    tell_the_story(resources.database)
    claim(resources.database, Queue.DELIVERY)
    visit.page.goto(address)
    jobs = visit.page.locator("section").nth(2)
    assert jobs.locator("tr", has_text="RUNNING").inner_text().split("\t") == ["RUNNING", "0", "1"]
    assert jobs.locator("tr", has_text="DONE").inner_text().split("\t") == ["DONE", "2", "0"]
