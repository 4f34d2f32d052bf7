"""The page in real Chromium: what people see, with a keyboard, on a phone, in the dark.

``TIERWISE_SCREENSHOTS=DIR pytest tests/seeing`` leaves the pictures there to be looked at.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from chromium import Browser, Page
from seen_ledger import THE_ONE, TOKEN

VIEWS = {
    "fleet": "Who held which GPUs",
    "routes": "Accepted at once",
    "costs": "USD per accepted answer",
    "decisions": "The newest first",
    f"decision/{THE_ONE}": "What would have changed it",
    "calibration": "Brier",
    "rollouts": "To the candidate",
}
# Pictures are drawn when their place has a width, which is a moment after the view is there.
DRAWN = (
    "[...document.querySelectorAll('main figure')]"
    ".every((one) => one.querySelector('svg[role=img]'))"
)
# Names that stick out of their picture would be cut off.
CUT = """[...document.querySelectorAll('main svg[role=img]')].flatMap((picture) => {
  const box = picture.getBoundingClientRect();
  return [...picture.querySelectorAll('text')].filter((one) => {
    const name = one.getBoundingClientRect();
    return name.left < box.left - 1 || name.right > box.right + 1;
  }).map((one) => one.textContent);
}).join(', ')"""
# Of a line that is one point nothing is drawn but its dot, and its value beside that.
LONELY = "[...document.querySelectorAll('svg[role=img] path.line')].filter((one) => "
LONELY += "one.getAttribute('d').startsWith('M') && one.getTotalLength() === 0).length"
SMALLEST_DOT = "Math.min(...[...document.querySelectorAll('circle.point')]"
SMALLEST_DOT += ".map((one) => one.getBoundingClientRect().width))"
WITHOUT_A_VALUE = """[...document.querySelectorAll('figure:has(.point)')].flatMap((figure) => {
  const told = [...figure.querySelectorAll('td.n')].map((one) => one.textContent);
  const drawn = [...figure.querySelectorAll('text.name')].map((one) => one.textContent);
  return told.filter((one) => /[0-9]/.test(one) && !drawn.includes(one));
}).join(', ')"""
EMPTY = {
    "fleet": "kubectl apply -f examples/quickstart/",
    "routes": "No request in this time",
    "costs": "TIERWISE_LEDGER_URL",
    "decisions": "tierwise ask",
    "calibration": "tierwise feedback ID --accept",
    "rollouts": "a Rollout begins by itself",
}
LOOKS = {
    "light": {},
    "dark": {"dark": True},
    "phone": {"width": 390, "height": 844, "phone": True},
}


@contextmanager
def inside(browser: Browser, url: str, **how: object) -> Iterator[Page]:
    """A page that has signed in."""
    with browser.page(**how) as page:  # type: ignore[arg-type]
        page.go(f"{url}/ui/")
        page.until_text("The ledger's token")
        page.type(TOKEN)
        page.press("Enter")
        page.until("document.querySelector('h1')?.textContent === 'Fleet'")
        yield page


def show(page: Page, view: str, says: str) -> None:
    page.run(f"location.hash = '#/{view}'")
    page.until(f"document.querySelector('main').innerText.includes({says!r})")
    page.until("!document.querySelector('main').hasAttribute('aria-busy')")
    page.until(DRAWN)


def keep(page: Page, name: str, folder: Path) -> Path:
    return page.picture(Path(os.environ.get("TIERWISE_SCREENSHOTS", folder)) / f"{name}.png")


@pytest.mark.parametrize("look", LOOKS)
def test_every_view_shows_the_day(browser: Browser, ledger: str, look: str, tmp_path: Path) -> None:
    with inside(browser, ledger, **LOOKS[look]) as page:
        for view, says in VIEWS.items():
            show(page, view, says)
            # Nothing is wider than the screen, and everything that is drawn has a size.
            assert page.run("document.documentElement.scrollWidth <= innerWidth"), view
            assert page.run(
                "[...document.querySelectorAll('main figure svg[role=img]')]"
                ".every((one) => one.getBoundingClientRect().height > 60)"
            ), view
            assert not page.run(CUT), view
            assert page.run("document.querySelectorAll('svg [d*=NaN], svg [y=NaN]').length") == 0
            assert keep(page, f"{look}-{view.partition('/')[0]}", tmp_path).stat().st_size > 10_000
        assert [one for one in page.problems() if "401" not in one] == []
        assert page.asked_hosts() == {ledger.removeprefix("http://")}


def test_an_empty_ledger_says_what_to_do(browser: Browser, empty_ledger: str) -> None:
    with inside(browser, empty_ledger) as page:
        for view, says in EMPTY.items():
            show(page, view, says)
            assert page.run("document.querySelectorAll('main .empty ol li').length") >= 2, view


@pytest.mark.parametrize("look", LOOKS)
def test_a_line_of_one_point_is_a_dot_with_its_value(
    browser: Browser, brief_ledger: str, look: str, tmp_path: Path
) -> None:
    with inside(browser, brief_ledger, **LOOKS[look]) as page:
        for view, says in {"costs": VIEWS["costs"], "rollouts": "Side by side"}.items():
            show(page, view, says)
            page.until("document.querySelectorAll('main figure circle.point').length > 1")

            assert page.run(LONELY) == page.run("document.querySelectorAll('circle.point').length")
            assert page.run(SMALLEST_DOT) >= 7
            assert page.run(WITHOUT_A_VALUE) == ""
            assert not page.run(CUT), view
            assert keep(page, f"{look}-one-point-{view}", tmp_path).stat().st_size > 10_000


def test_a_wrong_token_is_said_and_the_right_one_stays_in_the_tab(
    browser: Browser, ledger: str
) -> None:
    with browser.page() as page:
        page.go(f"{ledger}/ui")
        page.until_text("The ledger's token")
        page.type("guess")
        page.press("Enter")
        page.until_text("That is not this ledger's token.")
        page.type(TOKEN)
        page.press("Enter")
        page.until_text("Who held which GPUs")

        assert page.run("sessionStorage.getItem('tierwise-token')") == TOKEN
        assert page.run("JSON.stringify({...localStorage})") == "{}"
        page.run("document.querySelector('#leave').click()")
        page.until_text("The ledger's token")
        assert page.run("sessionStorage.getItem('tierwise-token')") is None


def test_what_people_wrote_is_text_and_nothing_else(browser: Browser, ledger: str) -> None:
    with inside(browser, ledger) as page:
        show(page, f"decision/{THE_ONE}", "letters were lost")

        assert "<b>dcba</b>" in page.text("main")
        assert page.run(
            "[...document.querySelectorAll('main b')].every((b) => b.innerText !== 'dcba')"
        )


def test_the_policy_holds_against_foreign_and_inline_scripts(browser: Browser, ledger: str) -> None:
    with inside(browser, ledger) as page:
        page.run(
            "document.body.append(Object.assign(document.createElement('script'), "
            "{textContent: 'window.inline = 1'}))"
        )
        foreign = "fetch('http://127.0.0.1:9/').then(() => 'went', () => 'stopped')"

        assert page.run(foreign) == "stopped"
        assert page.run("window.inline === undefined")
        told = " ".join(page.problems())
        assert "script-src 'self'" in told
        assert "connect-src 'self'" in told


def test_it_goes_by_keyboard_alone(browser: Browser, ledger: str) -> None:
    with inside(browser, ledger) as page:
        page.go(f"{ledger}/ui/")
        page.until_text("Who held which GPUs")
        seen = []
        for _ in range(12):
            page.press("Tab")
            seen.append(page.run("document.activeElement.textContent.trim()"))
            if seen[-1] == "Costs":
                break
        assert seen[0] == "Skip to the content"
        assert seen[-1] == "Costs", seen
        page.press("Enter")
        page.until_text("USD spent")
        page.until("document.activeElement.id === 'main'")

        page.run("document.querySelector('main figure svg[tabindex]').focus()")
        page.press("ArrowRight")
        page.press("ArrowRight")
        page.until("document.querySelector('.reading').innerText.includes('all together $')")
        assert page.run("document.activeElement.getAttribute('role')") == "img"


def test_a_screen_reader_is_told_of_charts_tables_and_where_it_is(
    browser: Browser, ledger: str
) -> None:
    with inside(browser, ledger) as page:
        show(page, "routes", "Accepted at once")
        told = {
            (node["role"]["value"], node.get("name", {}).get("value", "")) for node in page.tree()
        }
        current = page.run("document.querySelector('nav [aria-current=page]').innerText")

        assert ("navigation", "Views") in told
        assert ("heading", "Routes") in told
        assert any(role == "image" and "from their fields" in name for role, name in told)
        assert any("how they ended" in name for _, name in told)
        assert current == "Routes"
        assert page.run("document.documentElement.lang") == "en"
        unnamed = page.run(
            "[...document.querySelectorAll('button, select, input, a')].filter((one) => "
            "!(one.textContent.trim() || one.labels?.length || one.ariaLabel)).length"
        )
        assert unnamed == 0


def test_the_switch_goes_from_the_systems_colours_to_light_and_dark(
    browser: Browser, ledger: str
) -> None:
    with inside(browser, ledger, dark=True) as page:
        paper = "getComputedStyle(document.body).backgroundColor"
        system = page.run(paper)
        page.run("document.querySelector('#theme').click()")
        light = page.run(paper)
        page.run("document.querySelector('#theme').click()")
        dark = page.run(paper)

        assert system == dark
        assert light != dark
        page.colours("light")
        assert page.run(paper) == dark
        page.go(f"{ledger}/ui/")
        page.until("document.documentElement?.dataset.theme === 'dark'")


@pytest.mark.parametrize("dark", [False, True])
def test_words_stand_out_from_their_ground(browser: Browser, ledger: str, *, dark: bool) -> None:
    """WCAG AA: 4.5 to 1 for every text there is, on whatever lies behind it."""
    with inside(browser, ledger, dark=dark) as page:
        for view, says in VIEWS.items():
            show(page, view, says)
            weak = page.run(CONTRAST)
            assert weak == [], (view, weak)


def test_a_click_on_a_choice_asks_anew_and_the_address_keeps_it(
    browser: Browser, ledger: str
) -> None:
    with inside(browser, ledger) as page:
        show(page, "costs", "USD spent")
        page.run(
            "const box = document.querySelector('select[name=by]'); box.value = 'tenant'; "
            "box.dispatchEvent(new Event('change'))"
        )
        page.until("document.querySelector('main').innerText.includes('demo/team-b')")

        assert page.run("location.hash") == "#/costs?by=tenant"


CONTRAST = """(() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const light = ([r, g, b]) => [r, g, b].map((value) => value / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((sum, value, at) => sum + value * [0.2126, 0.7152, 0.0722][at], 0);
  const ground = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const found = rgba(getComputedStyle(one).backgroundColor);
      if (found[3] > 250) return found;
    }
    return [255, 255, 255];
  };
  const weak = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    const unseen = element.closest(".unseen, .skip, script, noscript, option");
    if (!own || unseen || !element.getClientRects().length) continue;
    const style = getComputedStyle(element);
    const ink = element.closest("svg") ? style.fill : style.color;
    const [a, b] = [light(rgba(ink)), light(ground(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) weak.push(`${element.textContent.trim().slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return [...new Set(weak)];
})()"""
