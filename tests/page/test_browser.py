"""Pages in headless Chromium, without a network: nothing runs, nothing overflows, axe-core finds nothing."""

import numpy as np
import pytest

import initcore as ic
from initcore import demo, files

pytest.importorskip("axe_playwright_python")
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]
NAME = "<img src=x onerror=document.title='broken'>\"'</script><script>document.title='broken'</script>\u202e"
NAME += "long" * 60


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Every kind of page, in files."""
    folder = tmp_path_factory.mktemp("pages")
    key = ic.Key(1)
    draw = lambda i, std: ic.init.normal((16, 16), std=std, rng=key.child(i))
    net = ic.Network([ic.Dense(draw(0, 2.0), np.zeros(16, "f"), "tanh"),
                      ic.Dense(np.full((16, 16), 0.1, "f"), np.zeros(16, "f"), "tanh"),
                      ic.Dense(draw(2, 0.1), np.zeros(16, "f"), "tanh"), ic.Dense(draw(3, 0.1))])
    x = np.random.default_rng(0).standard_normal((64, 16)).astype("f")
    np.savez(folder / "a.npz", **{f"{NAME}.weight": np.zeros((6, 6), "f"), "b.weight": draw(4, 1.0)[:5, :4]})
    np.savez(folder / "b.npz", **{f"{NAME}.weight": draw(5, 1.0)[:6, :6], "c.weight": draw(4, 1.0)[:5, :4]})
    texts = {"report": ic.check(net, x).to_html(), "clean": ic.check(ic.Network([ic.Dense(draw(6, 0.25))])).to_html(),
             "file": files.check_file(folder / "a.npz").to_html(),
             "comparison": files.compare(folder / "a.npz", folder / "b.npz").to_html(),
             "demo": demo.page(demo.run(epochs=2, starts=demo.STARTS[:2]))}
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: (folder / f"{name}.html").as_uri() for name in texts}


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield chromium
        chromium.close()


@pytest.mark.parametrize("name", ["report", "clean", "file", "comparison", "demo"])
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (400, "light"), (400, "dark")])
def test_page_in_the_browser(browser, pages, name, width, scheme):
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True,
                                  bypass_csp=True)          # axe comes from outside, which the policy forbids
    page = context.new_page()
    asked, said = [], []
    page.on("request", lambda r: asked.append(r.url))
    page.on("console", lambda m: said.append(m.text))
    page.on("pageerror", lambda e: said.append(str(e)))
    page.goto(pages[name])
    assert asked == [pages[name]] and said == []
    assert page.title() != "broken"
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("[...document.querySelectorAll('svg')].every(s => s.getBoundingClientRect().width > 20)")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    found = Axe().run(page).response["violations"]
    assert [(v["id"], v["nodes"][0]["html"][:200]) for v in found] == []
    assert len(page.screenshot(full_page=True)) > 10_000
    context.close()


def test_the_policy_forbids_what_a_name_might_start(browser, pages):
    """Even a script put in by hand does not run under the page's own policy."""
    page = browser.new_context(offline=True).new_page()
    page.goto(pages["report"])
    page.evaluate("() => { const s = document.createElement('script'); s.textContent = \"document.title='broken'\";"
                  " document.body.append(s) }")
    assert page.title() != "broken"


def test_keyboard_reaches_what_unfolds_and_scrolls(browser, pages):
    page = browser.new_context(offline=True).new_page()
    page.goto(pages["report"])
    seen = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.tagName + '.' + document.activeElement.className"))
    assert {"SUMMARY.", "DIV.scroll"} <= seen
    page.focus("summary")
    page.keyboard.press("Enter")
    assert page.evaluate("document.querySelector('details').open")


def test_paper_is_white(browser, pages):
    page = browser.new_context(offline=True, color_scheme="dark").new_page()
    page.goto(pages["report"])
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
