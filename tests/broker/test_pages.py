"""The three pages in headless Chromium: what each shows and to whom, and what the log's page verifies and finds out."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from hefu.statements.receipt import Link, Meters, Receipt, Released, Spent, Under
from hefu.tlog.tree import HASH_SIZE
from hefu_broker.membership import visits
from hefu_policies.agreeing.contract import Visibility
from playwright.sync_api import Browser, Page, sync_playwright

from tests.broker.site import Site
from tests.broker.world import Deal, Person, World, description, publish

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine: apt install chromium")
FLAGS = ["--headless", "--no-sandbox", "--disable-background-networking", "--disable-component-update"]
PUBLIC = Visibility("public")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield found
        found.close()


class Tab:
    """One browser profile with one page; everything it asks for and complains of is kept."""

    def __init__(self, browser: Browser, site: Site, locale: str = "en-GB", **more: object) -> None:
        self.base = f"http://127.0.0.1:{site.port}"
        self.context = browser.new_context(locale=locale, **more)  # type: ignore[arg-type]
        self.page: Page = self.context.new_page()
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda fault: self.complaints.append(str(fault)))

    def go(self, path: str) -> Page:
        self.page.goto(self.base + path)
        return self.page

    def verdict(self) -> str:
        """What the page's verification came to."""
        self.page.wait_for_selector("#verdict[data-result]")
        return str(self.page.get_attribute("#verdict", "data-result"))

    def checks(self) -> dict[str, str]:
        """Each named check and what it came to."""
        self.verdict()
        found = self.page.eval_on_selector_all("#checks li", "all => all.map(e => [e.dataset.check, e.dataset.result])")
        return dict(found)

    def close(self) -> None:
        """The profile is gone; nothing was asked of anybody else, and nothing went wrong."""
        self.context.close()
        assert [each for each in self.asked if not each.startswith(self.base + "/")] == []
        assert self.complaints == []


@pytest.fixture
def tab(browser: Browser, site: Site) -> Iterator[Tab]:
    found = Tab(browser, site)
    yield found
    found.close()


def tamper_tile(world: World, level: int, index: int, at: int) -> None:
    """Change one hash of a stored tile, as an administrator could."""
    where = {"level": level, "tile": index}
    with world.rooms.database.engine.begin() as connection:
        from sqlalchemy import text

        row = connection.execute(text('SELECT hashes FROM log_tile WHERE level = :level AND "index" = :tile'), where)
        data = bytearray(row.scalar_one())
        data[at * HASH_SIZE] ^= 1
        change = 'UPDATE log_tile SET hashes = :data WHERE level = :level AND "index" = :tile'
        connection.execute(text(change), where | {"data": bytes(data)})


def journal(world: World, who: Person, count: int) -> None:
    for start in range(0, count, 100):
        said = [who.says("computation.sealed", {"computation": f"cmp-{each}"}) for each in range(start, start + 100)]
        world.rooms.log.append(who.caller, said)
    world.sequenced()


def test_a_stranger_finds_public_products_in_both_languages_and_no_others(
    site: Site, browser: Browser, tab: Tab, provider: Person
) -> None:
    publish(site.world, provider, description(visibility=PUBLIC))
    publish(site.world, provider, description("prd-hidden", resource="res-two", title={"en": "For members"}))
    site.world.sequenced()
    page = tab.go("/")
    assert page.get_attribute("html", "lang") == "en"
    assert page.locator(".cards h2").all_inner_texts() == ["Diabetes visits"]
    page.fill("#q", "nothing like it")
    page.wait_for_selector("#found .notice")  # by htmx, without a button
    page.fill("#q", "diab")
    page.wait_for_selector("#found .cards")
    page.get_by_text("中文").click()
    assert page.get_attribute("html", "lang") == "zh-Hans"
    page.get_by_text("糖尿病门诊").click()
    assert page.locator("h1").inner_text() == "糖尿病门诊"
    assert "字段" in page.inner_text("main")
    assert "隐私保障" in page.inner_text("main")
    assert page.locator("table code").all_inner_texts() == ["patient", "age"]
    assert site.ask("/products/prd-hidden")[0] == 404
    chinese = Tab(browser, site, "zh-CN")
    assert chinese.go("/").get_attribute("html", "lang") == "zh-Hans"
    chinese.close()


def test_without_script_catalog_search_and_log_are_read_all_the_same(
    site: Site, browser: Browser, provider: Person
) -> None:
    publish(site.world, provider, description(visibility=PUBLIC))
    journal(site.world, provider, 100)
    bare = Tab(browser, site, java_script_enabled=False)
    page = bare.go("/")
    page.fill("#q", "糖尿病")
    page.press("#q", "Enter")
    assert page.locator(".cards h2").all_inner_texts() == ["Diabetes visits"]
    page = bare.go("/log")
    assert page.locator("#entries li").count() == 50
    page.get_by_text("Older").click()
    assert page.locator("#entries li").count() == 50
    bare.close()


def test_a_space_may_show_strangers_nothing(site: Site, tab: Tab, provider: Person) -> None:
    publish(site.world, provider, description(visibility=PUBLIC))
    object.__setattr__(site.world.rooms.settings, "web_public", False)
    page = tab.go("/")
    assert page.locator(".cards").count() == 0
    assert "one-time link" in page.inner_text("#found")
    assert site.ask("/products/prd-diabetes")[0] == 404


def test_a_member_sees_its_catalog_by_a_one_time_link(
    site: Site, browser: Browser, tab: Tab, consumer: Person, provider: Person
) -> None:
    publish(site.world, provider, description())
    link = site.link(consumer, visits.CATALOG)
    page = tab.go(link)
    page.wait_for_url("**/")
    assert page.locator(".cards h2").all_inner_texts() == ["Diabetes visits"]
    assert "insurer-b" in page.inner_text("main")
    other = Tab(browser, site)
    assert "used already" in other.go(link).inner_text("main")
    other.complaints.clear()  # of the 403 that was meant
    other.close()


def test_the_log_verifies_in_the_browser_and_again_after_it_grew(
    site: Site, tab: Tab, regulator: Person, provider: Person
) -> None:
    journal(site.world, provider, 400)
    page = tab.go(site.link(regulator, visits.LOG))
    page.wait_for_url("**/log")
    assert tab.checks() == {
        "key": "unknown", "origin": "ok", "signature": "ok", "root": "ok", "consistency": "unknown", "shown": "ok",
        "inclusion": "ok",
    }  # fmt: skip
    assert tab.verdict() == "ok"
    assert page.locator("#entries li[data-result=ok]").count() == 50
    assert page.locator("#entries .type").first.inner_text() == "computation.sealed"
    page.fill("#vkey", site.world.space.log_key)
    page.click("#pin button")
    page.wait_for_function("document.querySelector('#checks [data-check=key]')?.dataset.result === 'ok'")
    journal(site.world, provider, 300)
    page = tab.go("/log?before=120")
    assert set(tab.checks().values()) == {"ok"}
    assert page.locator("#entries li[data-result=ok]").count() == 50
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()


def test_a_stranger_verifies_hashes_and_reads_no_entry(site: Site, tab: Tab, provider: Person) -> None:
    journal(site.world, provider, 100)
    page = tab.go("/log")
    assert tab.checks()["inclusion"] == "ok"
    assert page.locator("#entries .type").count() == 0
    assert "computation.sealed" not in page.content()


@pytest.mark.parametrize(
    ("level", "index", "at", "found"),
    [(0, 0, 100, {"inclusion"}), (0, 1, 150, {"root", "inclusion"}), (1, 0, 0, {"root", "inclusion"})],
)
def test_a_changed_tile_is_found_by_a_named_check(
    site: Site, tab: Tab, provider: Person, level: int, index: int, at: int, found: set[str]
) -> None:
    journal(site.world, provider, 400)
    tamper_tile(site.world, level, index, at)
    page = tab.go("/log?before=101" if index == 0 and level == 0 else "/log")
    assert tab.verdict() == "bad"
    assert {name for name, result in tab.checks().items() if result == "bad"} == found
    assert "✗" in page.inner_text("#verdict")
    assert page.locator("#entries li[data-result=bad]").count() > 0


def test_what_a_lying_broker_shows_or_takes_back_is_found_by_a_named_check(
    site: Site, browser: Browser, provider: Person, regulator: Person
) -> None:
    journal(site.world, provider, 400)

    def bad(tab: Tab) -> set[str]:
        return {name for name, result in tab.checks().items() if result == "bad"}

    liar = Tab(browser, site)
    liar.go(site.link(regulator, visits.LOG))
    liar.page.wait_for_url("**/log")
    assert liar.verdict() == "ok"
    old = site.get("/checkpoint").decode()

    def altered(path: str, change: tuple[str, str]) -> None:
        def answer(route: object) -> None:
            said = route.fetch()  # type: ignore[attr-defined]
            route.fulfill(response=said, body=said.text().replace(*change))  # type: ignore[attr-defined]

        liar.page.route(liar.base + path, answer)
        liar.page.reload()

    altered("/log", ('<span class="who">hospital-a</span>', '<span class="who">hospital-b</span>'))
    assert bad(liar) == {"shown"}
    liar.page.unroute_all()
    altered("/log", (" data-envelope=", " data-other="))  # told, and the bytes are kept back
    assert bad(liar) == {"shown"}
    liar.page.unroute_all()
    altered("/checkpoint", ("\n— ", "\n— x"))  # the signature of another name
    assert bad(liar) == {"signature"}
    liar.page.unroute_all()
    size = old.split("\n")[1]
    altered("/checkpoint", (f"\n{size}\n", f"\n{int(size) - 1}\n"))
    assert {"signature", "root", "consistency"} <= bad(liar)
    liar.page.unroute_all()
    key = site.world.space.log_key
    altered("/log", (key, key.replace("hefu.example", "evil.example")))
    assert "key" in bad(liar)
    liar.page.unroute_all()
    journal(site.world, provider, 100)
    liar.page.reload()
    assert liar.verdict() == "ok"
    liar.page.route(liar.base + "/checkpoint", lambda route: route.fulfill(body=old))  # signed, and rolled back
    liar.page.reload()
    assert "consistency" in bad(liar)
    liar.close()


def receipt(deal: Deal, number: int, epsilon: str) -> bytes:
    """A receipt of the provider for a computation under the deal's agreement."""
    assert deal.agreement is not None
    agreement, clock = deal.agreement, deal.world.clock
    body = Receipt(
        computation=f"cmp-{number}", request=f"sha256:{'0' * 64}", consumer=deal.consumer.id,
        agreements=(Under(deal.agreement_id, agreement.digest(), f"str-{deal.agreement_id[4:]}", "permission-1"),),
        product="prd-diabetes", description=deal.product.digest(), resource="res-visits",
        snapshot=f"hmac-sha256:{'0' * 64}", engine="counting", engine_version="1",
        charge=Spent(int(float(epsilon) * 10**9), 0, 1), mechanisms=(),
        output=Released("table", 1, 0),
        parts=(), meters=Meters(1, 1, 8, 250), admitted=clock.now(), journal=Link(0, "", deal.provider.ring.connector),
    ).body()  # fmt: skip
    return deal.provider.says("computation.sealed", body)


def test_a_contract_is_read_by_its_parties_and_regulators_and_by_nobody_else(
    site: Site, browser: Browser, tab: Tab, deal: Deal, regulator: Person
) -> None:
    for step in (
        lambda: deal.send(deal.consumer, deal.counter_request({"epsilon": "0.3"}, previous=[])),
        lambda: deal.send(deal.provider, deal.counter_offer({"epsilon": "0.4"})),
        lambda: deal.send(deal.consumer, deal.accepted()),
        lambda: deal.send(deal.provider, deal.agreed()),
        lambda: deal.send(deal.consumer, deal.verified()),
        lambda: deal.send(deal.provider, deal.finalized()),
    ):
        step()
    site.world.rooms.log.append(deal.provider.caller, [receipt(deal, each, "0.2") for each in (1, 2)])
    stranger = site.world.person("outsider-x", "consumer")
    mine = stranger.says("computation.sealed", {"computation": "cmp-9", "agreements": [deal.agreement_id],
                                               "charge": Spent(10**9, 0, 1).body()})  # fmt: skip
    site.world.rooms.log.append(stranger.caller, [mine])
    site.world.sequenced()
    path = f"/contracts/{deal.agreement_id}"
    assert site.ask(path)[0] == 403
    page = tab.go(site.link(deal.consumer, visits.contract_page(deal.agreement_id)))
    page.wait_for_url(f"**{path}")
    main = page.inner_text("main")
    assert page.locator("h1").inner_text() == "Diabetes visits"
    assert "0.3" in page.inner_text(".rounds")
    assert "0.4" in page.inner_text(".rounds")
    assert page.inner_text(".spent") == "ε 0.4, 2 ×"  # the outsider's claim is no charge
    assert page.locator("#events tr").count() == 2
    assert "hospital-a" in main
    assert "insurer-b" in main
    assert page.locator("#main a[href*='/log']").count() >= 8  # each step with its place
    page.get_by_text("中文").click()
    assert "协商轮次" in page.inner_text("main")
    other = Tab(browser, site)
    other.go(site.link(regulator, visits.contract_page(deal.agreement_id)))
    other.page.wait_for_url(f"**{path}")
    assert other.page.inner_text(".spent") == "ε 0.4, 2 ×"
    other.close()
    cookie = site.enter(deal.consumer, visits.contract_page("agr-other"))
    assert site.ask(path, cookie=cookie)[0] == 403
    foreign = site.enter(stranger, visits.contract_page(deal.agreement_id))  # as no servicer would ever give it
    assert site.ask(path, cookie=foreign)[0] == 404
