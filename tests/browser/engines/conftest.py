"""Each engine started once, one stage for all of them, and the table of what they did."""

from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager

import pytest

from tests.browser.engine import Engine, Visitor, lacking
from tests.browser.played import chromium, firefox
from tests.browser.report import REPORT, Report
from tests.browser.site import Stage, staged
from tests.browser.webkit import webkit

STARTS: dict[str, Callable[[], AbstractContextManager[Engine]]] = {
    "Chromium": chromium,
    "Firefox": firefox,
    "WebKitGTK": webkit,
}


@pytest.fixture(scope="package", params=STARTS)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """A running browser. Where there is none: a skip with a reason, a failure in CI."""
    with lacking(), STARTS[request.param]() as started:
        request.config.stash[REPORT].versions[started.name] = started.version
        yield started


@pytest.fixture(scope="package")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The proxy, Snap and the pages, for all engines."""
    with staged(tmp_path_factory.mktemp("stage")) as stage:
        yield stage


@pytest.fixture
def visitor(engine: Engine) -> Iterator[Visitor]:
    """Somebody new."""
    with engine.visitor() as visitor:
        yield visitor


@pytest.fixture
def working(stage: Stage) -> Iterator[Stage]:
    """A stage whose proxy may be killed; it runs again afterwards."""
    yield stage
    if stage.life.process.poll() is not None:
        stage.up()


def pytest_configure(config: pytest.Config) -> None:
    """Begin the report."""
    config.stash[REPORT] = Report(engines=tuple(STARTS))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note what became of a scenario."""
    made = yield
    engine = _engine_of(item)
    if engine and (made.when == "call" or made.outcome != "passed"):
        item.config.stash[REPORT].note(_scenario(item), engine, made.outcome)
    return made


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table."""
    report = terminalreporter.config.stash[REPORT]
    if report.outcomes:
        terminalreporter.section("scenarios in real engines")
        terminalreporter.write_line(report.text())


def _engine_of(item: pytest.Item) -> str:
    """Which engine a test is about, "" for none."""
    if isinstance(item, pytest.Function):
        params = item.callspec.params if hasattr(item, "callspec") else {}
        return str(params.get("engine") or getattr(item.module, "ENGINE", ""))
    return ""


def _scenario(item: pytest.Item) -> str:
    """The claim that a test's name makes."""
    name = str(getattr(item, "originalname", item.name)).removeprefix("test_").replace("_", " ")
    return name[0].upper() + name[1:]
