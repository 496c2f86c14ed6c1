"""The page in a real browser: it works by mouse, keyboard and screen reader, and no log makes it do anything else."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from logscan import rules, scan, sources
from logscan.model import Report, Severity
from tests.test_formats import HOSTILE
from tests.test_html import page

SAMPLES = Path(__file__).parent.parent / "samples"
AXE = files("axe_core_python").joinpath("axe.min.js").read_text("utf-8")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--window-size=1280,900",
)  # fmt: skip


class Browser:
    """Chromium with one page after the other in it."""

    def __init__(self, driver: webdriver.Chrome, folder: Path) -> None:
        self.driver = driver
        self._folder = folder
        self._number = itertools.count()

    def open(
        self, report: Report, *, width: int = 1280, dark: bool = False, script: bool = True, media: str = ""
    ) -> None:
        path = self._folder / f"{next(self._number)}.html"
        path.write_text(page(report), encoding="utf-8")
        self.command("Emulation.setScriptExecutionDisabled", value=not script)
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        self.command("Emulation.setEmulatedMedia", media=media, features=features)
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 500
        )
        self.driver.get(path.as_uri())

    def command(self, name: str, **parameters: object) -> dict:
        return self.driver.execute_cdp_cmd(name, parameters)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def seen(self, selector: str) -> list[WebElement]:
        return [one for one in self.all(selector) if one.is_displayed()]

    def count(self, selector: str) -> int:
        """How many elements are shown, told by the page itself: one by one would take long."""
        script = "return [...document.querySelectorAll(arguments[0])].filter((one) => one.checkVisibility()).length"
        return int(self.driver.execute_script(script, selector))

    def click(self, selector: str) -> None:
        """Bring an element to the midst of the window, out from under what sticks to its top, and click it."""
        one = self.one(selector)
        self.run("arguments[0].scrollIntoView({block: 'center'})", one)
        one.click()

    def hover(self, one: WebElement) -> None:
        """Bring an element to the midst of the window, and once that has settled, the mouse onto it."""
        settled = "arguments[0].scrollIntoView({block: 'center'}); requestAnimationFrame(() => requestAnimationFrame(() => arguments[1]()))"
        self.driver.execute_async_script(settled, one)
        ActionChains(self.driver).move_to_element(one).perform()

    def run(self, script: str, *arguments: object) -> object:
        return self.driver.execute_script(script, *arguments)

    def complaints(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def axe(self) -> list[str]:
        """What is hard to use for somebody: rule and element."""
        self.run(AXE)
        found = self.driver.execute_async_script(
            "axe.run(document).then(arguments[0]).catch((e) => arguments[0]({error: String(e)}))"
        )
        assert "error" not in found, found
        assert len(found["passes"]) > 15
        return [
            f"{one['id']}: {node['html'][:200]} {node.get('failureSummary')}"
            for one in found["violations"]
            for node in one["nodes"]
        ]


@pytest.fixture(scope="session")
def browser(tmp_path_factory) -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    service = shutil.which("chromedriver")
    if program is None or service is None:
        if os.environ.get("CI"):
            pytest.fail("chromium and chromedriver are needed: apt-get install chromium chromium-driver")
        pytest.skip("no chromium and chromedriver here: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(service))
    driver.set_script_timeout(120)  # s; the machine may have other work
    try:
        yield Browser(driver, tmp_path_factory.mktemp("pages"))
    finally:
        driver.quit()


@pytest.fixture(scope="session")
def sample() -> Callable[..., Report]:
    loaded = rules.load()

    def report(*names: str) -> Report:
        scanner = scan.Scanner(loaded)
        for source in sources.open_sources([str(SAMPLES / name) for name in names], None):
            scanner.read(source)
        return scanner.report()

    return report


FLAGSHIP = ("readonly-share.log", "readonly-share.exports", "readonly-share.storageclass.yaml")


# ---------------------------------------------------------------- looked at


@pytest.mark.parametrize(
    "names", [FLAGSHIP, ("two-causes.log",), ("healthy-controller.log",), ("events.txt",)], ids=lambda names: names[0]
)
def test_a_page_loads_nothing_and_complains_of_nothing(browser, sample, names):
    report = sample(*names)
    browser.open(report)

    assert browser.complaints() == []
    assert browser.run("return performance.getEntriesByType('resource').length") == 0
    assert len(browser.seen("article")) == len(report.diagnoses)
    assert browser.one("h1").is_displayed()
    assert len(browser.seen(".bar")) == len(report.activity.bars if report.activity else ())


@pytest.mark.parametrize("look", [{}, {"dark": True}, {"width": 390}, {"width": 390, "dark": True}], ids=str)
def test_axe_finds_nothing(browser, sample, full, look):
    """With everything unfolded, which is all that a page can show."""
    browser.open(full if look else sample("two-causes.log"), **look)
    browser.run("for (const one of document.querySelectorAll('details')) one.open = true; scrollTo(0, 0)")

    assert browser.axe() == []
    assert browser.run("return document.documentElement.scrollWidth") <= look.get("width", 1280)
    assert browser.complaints() == []


def test_without_a_script_all_of_it_is_there(browser, full):
    browser.open(full, script=False)

    assert len(browser.seen("article")) == 2
    assert not browser.seen("button, form")
    assert "showmount -e 192.168.59.102" in browser.one("article").text
    table = browser.one("#time details")
    table.find_element(By.TAG_NAME, "summary").click()
    assert len(browser.seen("#time details tbody tr")) == 5


def test_on_paper_there_is_nothing_to_press(browser, full):
    browser.open(full, media="print")

    assert not browser.seen("button.copy, form, .top, .zoom")
    assert len(browser.seen("article")) == 2
    assert len(browser.command("Page.printToPDF", printBackground=True)["data"]) > 10_000


# ---------------------------------------------------------------- used


def test_filters_choose_findings_and_volumes(browser, full):
    browser.open(full)
    findings = lambda: [one.get_attribute("data-category") for one in browser.seen(".finding")]  # noqa: E731
    lanes = lambda: [one.text for one in browser.seen(".lane.volume .label")]  # noqa: E731
    claim = "default/data-primary-mariadb-cluster-primary-0"

    assert findings() == ["wrong-share-path", "client-not-allowed", "unrecognised"]
    assert lanes() == [claim, "prod/data-1"]
    browser.click("input[value=error]")
    assert findings() == ["client-not-allowed", "unrecognised"]
    assert lanes() == ["prod/data-1"]
    assert browser.one("#f-count").text == "2 of 3 findings"
    browser.click("input[value=error]")
    browser.one("#f-component").send_keys("node")
    assert findings() == ["client-not-allowed", "unrecognised"]
    browser.run("document.getElementById('filters').reset()")
    browser.one("#f-text").send_keys("MARIADB")
    assert findings() == ["wrong-share-path"]
    assert lanes() == [claim]
    browser.one("#f-text").clear()
    browser.one("#f-text").send_keys("refuses the mount")
    assert findings() == ["client-not-allowed"]
    assert lanes() == ["prod/data-1"]
    browser.click(".lane.volume:not([hidden]) .label")
    assert browser.one("#f-text").get_attribute("value") == "prod/data-1"
    browser.one("#f-text").clear()
    browser.one("#f-text").send_keys("nothing says so")
    assert findings() == lanes() == []
    assert browser.complaints() == []


def test_what_is_copied_is_what_is_shown(browser, sample):
    report = sample(*FLAGSHIP)
    browser.open(report)
    browser.command("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
    remedy = report.diagnoses[0].remedy
    for button, wanted in zip(
        browser.seen("article .fix button.copy"), [*remedy.commands, remedy.manifest], strict=True
    ):
        browser.run("arguments[0].scrollIntoView({block: 'center'})", button)
        button.click()
        copied = browser.driver.execute_async_script(
            "navigator.clipboard.readText().then(arguments[0], (e) => arguments[0](String(e)))"
        )
        assert copied == wanted.rstrip("\n")
        assert button.text == "Copied"
    assert browser.complaints() == []


def view(browser: Browser) -> tuple[float, float]:
    chart = browser.one("#chart")
    return float(chart.get_attribute("data-from")), float(chart.get_attribute("data-to"))


def test_the_chart_tells_zooms_and_is_reached_by_keyboard(browser, sample):
    report = sample("two-causes.log")
    browser.open(report)
    assert len(browser.seen(".lane.volume")) == len(report.timeline) == 4
    assert len(browser.seen(".track > .call")) == sum(len(one.calls) for one in report.timeline)

    browser.hover(browser.one(".track > .call.failed"))
    tip = browser.one(".tip")
    assert tip.is_displayed()
    assert tip.text.startswith("CreateVolume, attempt 1\nfailed (Internal)\n2026-11-23 12:23:")
    assert "permission denied" in tip.text
    assert "samples/two-causes.log:" in tip.text
    ActionChains(browser.driver).move_to_element(browser.one("#time-title")).perform()
    assert not tip.is_displayed()

    # One stop for Tab, arrows from there on.
    assert len(browser.all(".plot button[tabindex='0']:is(.bar, .call)")) == 1
    browser.click(".zoom button:last-child")
    whole = view(browser)
    browser.run("document.querySelector('.plot button[tabindex=\"0\"]').focus()")
    for key in (Keys.ARROW_DOWN, Keys.ARROW_RIGHT):
        browser.driver.switch_to.active_element.send_keys(key)
    focused = browser.driver.switch_to.active_element
    assert focused.get_attribute("aria-label").startswith(
        "monitoring/pvc-nextcloud-2, CreateVolume, attempt 2, failed (Internal), 2026-11-23"
    )
    assert tip.is_displayed()
    focused.send_keys("+")
    zoomed = view(browser)
    assert zoomed[1] - zoomed[0] == pytest.approx((whole[1] - whole[0]) / 2)
    focused = browser.driver.switch_to.active_element
    focused.send_keys(Keys.END)
    assert browser.driver.switch_to.active_element.is_displayed()
    browser.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not tip.is_displayed()
    browser.driver.switch_to.active_element.send_keys("0")
    assert view(browser) == whole

    track = browser.one(".lane.axis .track")
    ActionChains(browser.driver).move_to_element_with_offset(track, -100, 0).click_and_hold().move_by_offset(
        50, 0
    ).move_by_offset(50, 0).release().perform()
    chosen = view(browser)
    share = 100 / float(browser.run("return arguments[0].clientWidth", track))
    assert (chosen[1] - chosen[0]) / (whole[1] - whole[0]) == pytest.approx(share, abs=0.01)
    assert browser.one(".tick").is_displayed()
    browser.click("button[aria-label='Zoom out']")
    assert view(browser)[1] - view(browser)[0] > chosen[1] - chosen[0]
    assert browser.complaints() == []


def test_of_many_volumes_a_few_are_shown_until_more_are_asked_for(browser, full):
    calls = full.timeline[0].calls
    refs = [replace(full.diagnoses[0].volumes[0], name=f"pvc-{n}", pvc=f"data-{n:02}") for n in range(40)]
    one = replace(full.diagnoses[0], volumes=tuple(refs))
    lives = tuple(replace(full.timeline[0], name=ref.name, calls=calls) for ref in refs)
    browser.open(replace(full, diagnoses=(one,), unrecognised=(), timeline=lives))
    assert browser.count(".lane.volume") == 12
    browser.click(".rest")
    assert browser.count(".lane.volume") == 40
    assert browser.driver.switch_to.active_element.get_attribute("aria-label").startswith("default/data-12, ")
    browser.one("#f-text").send_keys("data-3")
    assert [label.text for label in browser.seen(".lane.volume .label")] == [f"default/data-3{n}" for n in range(10)]
    assert browser.count("article") == 1
    assert browser.complaints() == []


def test_a_thousand_findings_are_shown_a_page_at_a_time(browser, full):
    browser.open(replace(full, diagnoses=full.diagnoses * 500))
    found = ".finding:not(.shape)"
    assert browser.count(found) == 25
    assert browser.one("#more").text == "Show 25 more of 1,000"
    browser.click("#more")
    assert browser.count(found) == 50
    browser.run("location.hash = '#d300'")
    assert browser.driver.execute_async_script(
        "setTimeout(() => arguments[0](!document.getElementById('d300').hidden), 50)"
    )
    assert browser.count(found) == 300
    browser.click("input[value=error]")
    assert browser.count(found) == browser.count(f"{found}[data-severity=warning]") == 25
    assert browser.complaints() == []


# ---------------------------------------------------------------- hostile logs

ATTACKS = (
    *HOSTILE, "<script>window.owned = 1</script>", "</script><script>window.owned = 1</script>", "<img src=x onerror='window.owned = 1'>",
    "\"><svg onload='window.owned = 1'>", "javascript:window.owned=1", "</style><style>*{display:none}</style>", "{{owned}}", "${window.owned=1}",
    "</pre></code></article></main><h1>HEALTHY</h1>", "' autofocus onfocus='window.owned=1", "\u2028window.owned=1", "&lt;script&gt;",
    "<a href='https://evil.example'>x</a>", "<base href='https://evil.example/'>", "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<iframe srcdoc='<script>parent.owned=1</script>'>", "]]><script>window.owned = 1</script>", "--><script>window.owned = 1</script>",
    "<form action='https://evil.example'><button>", "<a id=data><a id=chart><a id=filters>",
)  # fmt: skip


def test_no_log_makes_the_page_do_anything(browser, full, filled):
    for start in range(0, len(ATTACKS), 28):
        report = filled(full, itertools.cycle(ATTACKS[start : start + 28]))
        browser.open(
            replace(report, diagnoses=tuple(replace(one, severity=Severity.ERROR) for one in report.diagnoses))
        )
        browser.run("for (const one of document.querySelectorAll('details')) one.open = true")
        for one in browser.seen(".track > .call, .bar")[1:3]:
            browser.hover(one)
            assert browser.one(".tip").is_displayed()
        label = browser.all(".label")
        if label:
            browser.run("arguments[0].click()", label[0])

        assert browser.run("return window.owned ?? null") is None
        assert browser.run(
            "return [document.scripts.length, document.styleSheets.length, document.body.children.length]"
        ) == [3, 1, 6]
        assert (
            browser.all("img, svg, iframe, base, object, embed, [onload], [onerror], [onfocus], a[href^=javascript]")
            == []
        )
        assert browser.driver.current_url.startswith("file:")
        assert browser.complaints() == []


def test_what_is_shown_and_drawn_is_the_reports(browser, full):
    """The hostile text is there to be read, in the card and in the chart."""
    text = "<script>window.owned = 1</script> \u202e]]> &amp;"
    volume = replace(full.timeline[0], calls=tuple(replace(one, text=text) for one in full.timeline[0].calls))
    browser.open(replace(full, diagnoses=(replace(full.diagnoses[0], cause=text),), timeline=(volume,)))

    assert browser.one("article h3").text == "<script>window.owned = 1</script> \\u202e]]> &amp;"
    browser.run("document.querySelector('.track > .call').focus()")
    assert "<script>window.owned = 1</script> \\u202e]]> &amp;" in browser.one(".tip").text
    assert json.loads(browser.run("return document.getElementById('data').textContent"))["volumes"][0]["calls"][0][
        7
    ].startswith("<script>")
