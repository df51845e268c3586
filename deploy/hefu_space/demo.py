"""The story of `hefu demo`: a whole data space on real data, told step by step, each step a real command.

What does not hold is collected, told, and makes the exit code 1.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

from hefu.envelope import new_id
from hefu.terminal.commands import Output, step

from hefu_space import data, harness, postgresql, products, questions, scores, telling
from hefu_space.harness import Answer
from hefu_space.infer import infer
from hefu_space.products import Product, Texts
from hefu_space.questions import Question, Refusal
from hefu_space.space import LOCAL, Member, Node, Space

PROVIDERS: tuple[tuple[str, Texts], ...] = (
    ("east-city", ("East City Data Office", "东城市数据局")),
    ("north-city", ("North City Data Office", "北城市数据局")),
    ("south-city", ("South City Data Office", "南城市数据局")),
)
CONSUMER = Member("institute", ("Research Institute", "研究院"), ("consumer",))
REGULATOR, WITNESS = "regulator", "witness"
NANO = 10**9
_AT_ONCE = 4
_PATIENCE = 20.0  # seconds, for what should take one


@dataclass(frozen=True, slots=True)
class Deal:
    """A product with the agreement that the consumer has on it."""

    product: Product
    agreement: str


@dataclass(slots=True)
class Demo:
    """One run of the story.

    Attributes:
        own: a CSV file of the person's own to tell it on.
        database: where the first provider keeps the table that the second story is about, and counts it in place;
            None where it is a file like the others.
        broken: what should have held and did not.
    """

    space: Space
    output: Output
    own: Path | None = None
    database: postgresql.Server | None = None
    broken: list[str] = field(default_factory=list)
    deals: list[Deal] = field(default_factory=list)

    def tell(self) -> None:
        """The whole story. Raises HefuError where it cannot go on."""
        offered = self._products()
        self._start()
        self._publish(offered)
        self._search()
        self._estimate(offered[0])
        self._agree(offered)
        self._ask()
        self._total()
        self._scores()
        self._refusals()
        self._books()
        self._without_broker()
        self._audit()
        self._pages()

    @property
    def consumer(self) -> Node:
        """The consumer's connector."""
        return self.space.nodes[CONSUMER.name]

    def expect(self, holds: bool, en: str, zh: str = "") -> None:
        """Note what should hold."""
        if not holds:
            self.broken.append(en)
            self.output.say(f"  ✗ {en}", f"  ✗ {zh or en}")

    # ------------------------------------------------------------ the steps

    def _products(self) -> list[Product]:
        if self.own is None:
            found = products.tumour_products(data.hospitals(), PROVIDERS, CONSUMER.name)
            found += products.flight_products(data.airports(), PROVIDERS)
        else:
            inferred = infer(self.own, PROVIDERS)
            telling.inferred(self.output, self.own, inferred)
            found = list(inferred.products)
        return [each.named(new_id("prd")) for each in found]

    def _start(self) -> None:
        with step(self.output, "Found the space: an offline root, a broker", "创建空间：离线根与运营平台"):
            self.space.found()
        members = [Member(name, titles, ("provider",)) for name, titles in PROVIDERS]
        with (
            step(
                self.output,
                "Three providers, a consumer, a regulator enrol; the root certifies their keys; all start, mutual TLS",
                "三个提供方、一个使用方与一个监管方入网；根密钥认证其密钥；全部启动，双向 TLS",
            ),
            ThreadPoolExecutor(1) as beside,
        ):
            regulator = beside.submit(self.space.join_regulator, REGULATOR)
            self.space.join([*members, CONSUMER])
            regulator.result()
        with step(
            self.output,
            "A second person starts a witness; the charter pins it: what it does not cosign is not published",
            "另一人启动见证方；章程将其固定：未经其联署者不予发布",
        ):
            self.space.join_witness(WITNESS, self.space.folder / REGULATOR)
        telling.processes(self.output, self.space)

    def _publish(self, offered: Sequence[Product]) -> None:
        with step(self.output, "Providers describe their data and publish offers", "提供方描述数据并发布报价"):
            self._each(offered, self._publish_one)
        telling.product_file(self.output, offered[0])
        counted = next((each for each in offered if self._counts_itself(each)), None)
        if counted is not None:
            telling.in_place(self.output, self.space.nodes[counted.provider].do("source", "list")["sources"])

    def _counts_itself(self, product: Product) -> bool:
        return self.database is not None and (product.provider, product.source) == (PROVIDERS[0][0], "departures")

    def _publish_one(self, product: Product) -> None:
        node = self.space.nodes[product.provider]
        if self.database is not None and self._counts_itself(product):
            url = self.database.load(product)
            node.do("source", "add", product.source, url, "--option", f"table={product.source}", "--in-place")
        else:
            table = node.folder / "data" / f"{product.source}.csv"
            product.extract.write(table)
            node.do("source", "add", product.source, str(table))
        file = node.folder / f"{product.source}.yaml"
        file.write_text(product.text(), "utf-8")
        node.do("product", "publish", str(file))

    def _search(self) -> None:
        words = (("肿瘤",), ("departures",)) if self.own is None else (("示例",), ("demo",))
        for each in words:
            with step(self.output, f"The consumer searches for {each[0]!r}", f"使用方检索“{each[0]}”"):
                found = self.consumer.do("catalog", "search", *each)["products"]
            telling.listing(self.output, found)
            self.expect(len(found) == len(PROVIDERS), f"searching {each[0]} finds {len(found)} products instead of 3")

    def _estimate(self, product: Product) -> None:
        question = self._questions(product)[0]
        with step(
            self.output,
            "Before any contract: what would a question cost, and how far off would it be?",
            "签约之前：一个问题花费多少、误差多大？",
        ):
            found = self.consumer.do(
                "compute", "estimate", sql(question, product), "--product", product.id, "--epsilon", question.epsilon
            )
        telling.estimate(self.output, question, found)

    def _agree(self, offered: Sequence[Product]) -> None:
        haggled = next(each for each in reversed(offered) if each.terms.approval == "automatic")
        self._set_limits(haggled)
        with step(
            self.output,
            "The consumer requests a contract on each product, one of them on other terms than offered",
            "使用方就每个产品申请合约，其中一份要求不同条款",
        ):
            made = self._each(offered, lambda each: self._request(each, haggled=each is haggled))
            manual = [(p, m) for p, m in zip(offered, made, strict=True) if p.terms.approval == "manual"]
            self._until(lambda: all(self._state(m) == "requested" for _, m in manual), "requests arrive")
        self._accept_counter_offer(haggled, made[[*offered].index(haggled)])
        for product, negotiation in manual:
            with step(
                self.output, f"A person at {product.provider} approves by hand", f"{product.provider} 的人员手动批准"
            ):
                self.space.nodes[product.provider].do("contract", "approve", negotiation)
        self._until(lambda: all(each["state"] == "active" for each in self._contracts()), "contracts come into force")
        held = {each["negotiation"]: each for each in self._contracts()}
        self.deals = [Deal(product, str(held[m]["agreement"])) for product, m in zip(offered, made, strict=True)]
        telling.contracts(self.output, [held[each] for each in made])

    def _set_limits(self, product: Product) -> None:
        """How far the provider goes beyond its public offer: ten releases more. Nobody else is told."""
        with step(
            self.output,
            f"{product.provider} sets its private limit: up to {product.terms.releases + 10} releases in one contract",
            f"{product.provider} 设定不公开的底线：一份合约至多 {product.terms.releases + 10} 次发布",
        ):
            node = self.space.nodes[product.provider]
            node.do("product", "limits", product.id, "--set", f"releases={product.terms.releases + 10}")

    def _accept_counter_offer(self, product: Product, negotiation: str) -> None:
        with step(
            self.output,
            f"{product.provider} answers with a counter-offer by itself; a person of the consumer accepts it",
            f"{product.provider} 自动还价；使用方人员接受",
        ):
            self._until(lambda: self._state(negotiation) == "offered", "the counter-offer arrives")
            self.consumer.do("contract", "accept", negotiation)
            self._until(lambda: self._state(negotiation) == "active", "the negotiated contract comes into force")
            rounds = self.consumer.do("contract", "history", negotiation)["rounds"]
            found = self.consumer.do("contract", "show", negotiation)
        telling.rounds(self.output, rounds)
        moves = [each["move"] for each in rounds[:4]]
        self.expect(moves == ["requested", "offered", "accepted", "agreed"], f"it was negotiated as {moves}")
        agreed = found["terms"]["budget"]["releases"]
        self.expect(agreed == product.terms.releases + 10, f"{agreed} releases were agreed on")

    def _request(self, product: Product, *, haggled: bool = False) -> str:
        purpose = product.terms.purpose or "dpv:ScientificResearch"
        words: tuple[str, ...] = ("--offer", product.terms.name, "--purpose", purpose)
        wait = ("--wait", "0") if haggled or product.terms.approval == "manual" else ()
        if haggled:
            words += ("--set", f"releases={2 * product.terms.releases}", "--set", "valid_days=90")
        found = self.consumer.do("contract", "request", product.id, *words, *wait)
        return str(found["negotiation"])

    def _ask(self) -> None:
        for source in dict.fromkeys(each.product.source for each in self.deals):
            asked = [each for each in self.deals if each.product.source == source]
            for question in self._questions(asked[0].product):
                self._ask_all(question, asked)
            if self.own is None:
                for question in questions.together_questions(source):
                    self._ask_together(question, asked)
        if self.own is None:
            deal = self.deals[len(PROVIDERS)]
            self._ask_all(questions.carrier_question(in_place=self._counts_itself(deal.product)), [deal])

    def _ask_all(self, question: Question, asked: Sequence[Deal]) -> None:
        with step(
            self.output,
            f"{question.title[0]}  (ε = {question.epsilon} each)",
            f"{question.title[1]}（每方 ε = {question.epsilon}）",
        ):
            found = self._each(asked, lambda deal: self._query(deal, question))
        rows = []
        for deal, document in zip(asked, found, strict=True):
            extract = deal.product.extract
            numbers = [each.name for each in deal.product.columns if each.bounds]
            cells = questions.compare(question, document["answer"], [extract], numbers)
            rows += [(deal.product.provider, cell) for cell in cells]
            for cell in cells:
                self.expect(cell.plausible, f"an answer of {deal.product.provider} is implausibly far from the truth")
            self.expect(document["receipt"] is not None, "an answer has no receipt")
        telling.answers(self.output, question, rows)

    def _ask_together(self, question: Question, asked: Sequence[Deal]) -> None:
        """One question to several providers, each under its own contract and with its own noise; one answer."""
        contracts = [word for deal in asked for word in ("--contract", deal.agreement)]
        with step(
            self.output,
            f"{question.title[0]}  (ε = {question.epsilon} each)",
            f"{question.title[1]}（每方 ε = {question.epsilon}）",
        ):
            found = self.consumer.do("compute", "query", question.sql, *contracts, "--epsilon", question.epsilon)
        numbers = [each.name for each in asked[0].product.columns if each.bounds]
        cells = questions.compare(question, found["combined"], [each.product.extract for each in asked], numbers)
        for cell in cells:
            self.expect(cell.plausible, "a combined answer is implausibly far from the truth")
        telling.answers(self.output, question, [(f"{len(asked)} together", cell) for cell in cells])

    def _total(self) -> None:
        """One total over several providers, under contracts of its own: one of them adds up what it cannot read."""
        offered = [(each.product, each.product.joint) for each in self.deals]
        joint = [(product, terms) for product, terms in offered if terms is not None]
        if not joint:
            return
        question, (_, terms) = questions.joint_question(), joint[0]
        with step(
            self.output,
            "The consumer agrees with each hospital on totals over all of them",
            "使用方与各医院就联合合计签约",
        ):
            words = ("--offer", terms.name, "--purpose", terms.purpose)
            made = self._each(joint, lambda each: self.consumer.do("contract", "request", each[0].id, *words))
            contracts = [word for each in made for word in ("--contract", str(each["agreement"]))]
        loss = ("--epsilon", question.epsilon, "--delta", terms.delta)
        with step(self.output, f"{question.title[0]}  (ε = {question.epsilon}, δ = {terms.delta})", question.title[1]):
            found = self.consumer.do("compute", "total", question.sql, *contracts, *loss)
        numbers = [each.name for each in joint[0][0].columns if each.bounds]
        cells = questions.compare(question, found["total"], [product.extract for product, _ in joint], numbers)
        for cell in cells:
            self.expect(cell.plausible, "a joint total is implausibly far from the truth")
        self.expect(len(found["computations"]) == len(joint), "a party of the total has no receipt")
        telling.answers(self.output, question, [(f"{len(joint)} as one", cell) for cell in cells])

    def _scores(self) -> None:
        """A provider's model on the consumer's own samples: neither sees the other's."""
        if self.own is not None or not scores.possible():
            return
        provider, samples, id_ = self.space.nodes[PROVIDERS[1][0]], data.hospitals()[2], new_id("prd")
        with step(
            self.output,
            f"{provider.name} publishes a model; its weights stay with it",
            f"{provider.name} 发布模型；权重不出域",
        ):
            table, file = (provider.folder / "data" / each for each in ("malignancy.csv", "malignancy.json"))
            scores.write_table(table)
            made = provider.do("model", "make", str(table), "--output", str(file))
            provider.do("source", "add", "malignancy", str(file))
            described = provider.folder / "malignancy.yaml"
            described.write_text(scores.product_text(id_, "malignancy", made), "utf-8")
            provider.do("product", "publish", str(described))
        with step(
            self.output,
            "The consumer has its own samples scored, encrypted, under a contract",
            "使用方依合约对自有样本进行密态评分",
        ):
            words = ("--offer", scores.OFFER, "--purpose", scores.PURPOSE)
            agreement = str(self.consumer.do("contract", "request", id_, *words)["agreement"])
            records = self.consumer.folder / "data" / "samples.csv"
            scores.write_records(samples, records)
            found = self.consumer.do("compute", "score", id_, str(records), "--contract", agreement)
        given, wanted = [Decimal(each) for each in found["scores"]], scores.plain(samples)
        off = max(abs(one - other) for one, other in zip(given, wanted, strict=True))
        malignant = [each == "malignant" for each in samples.column("diagnosis")]
        areas = [scores.area(each, malignant) for each in (given, wanted)]
        telling.scores(self.output, found, off, areas)
        self.expect(off <= Decimal(made["tolerance"]), "a score is further from the plain model's than is said")

    def _query(self, deal: Deal, question: Question) -> Any:
        words = ("compute", "query", sql(question, deal.product), "--contract", deal.agreement)
        return self.consumer.do(*words, "--epsilon", question.epsilon)

    def _refusals(self) -> None:
        deal = self.deals[0]
        with step(self.output, "What is refused, and why", "拒绝了什么，为什么"):
            cases = questions.refusals(deal.product)
            reasons = self._each(cases, lambda each: self._refused(each, deal))
            told = [(each.title, why) for each, why in zip(cases, reasons, strict=True)]
            told.append((("more than the contract's budget", "超出合约额度"), self._exhaust(deal)))
        telling.refusals(self.output, told)

    def _refused(self, refusal: Refusal, deal: Deal) -> list[str]:
        answer = self._ask_about(deal, refusal.sql, refusal.epsilon, *refusal.flags)
        self.expect(not answer.ok, f"what must be refused was answered: {refusal.title[0]}")
        return telling.reasons(answer)

    def _exhaust(self, deal: Deal) -> list[str]:
        """Ask for all that is left, and once more, at the same time: exactly what is left must be answered."""
        terms = deal.product.terms
        balance = self.consumer.do("contract", "show", deal.agreement)["balance"]
        left = int(balance["remaining"]["epsilon_nano"]) // (int(terms.epsilon) * NANO)
        answers = self._each(range(left + 2), lambda _: self._ask_about(deal, questions.COUNT, terms.epsilon))
        answered = sum(each.ok for each in answers)
        self.expect(answered == left, f"{answered} of {left + 2} requests were answered where the budget left {left}")
        return next((telling.reasons(each) for each in answers if not each.ok), [])

    def _ask_about(self, deal: Deal, query: str, epsilon: str, *flags: str) -> Answer:
        words = ("compute", "query", query.format(table=f'"{deal.product.id}"'), "--contract", deal.agreement)
        return self.consumer.ask(*words, "--epsilon", epsilon, *flags)

    def _books(self) -> None:
        provider = self.space.nodes[PROVIDERS[0][0]]
        with step(
            self.output,
            f"What {provider.name} knows of all this: its releases and its budget",
            f"{provider.name} 所知：发布与额度",
        ):
            released = provider.do("release", "list")["releases"]
            accounts = provider.do("budget", "show")["accounts"]
        telling.releases(self.output, released)
        telling.budgets(self.output, accounts)
        for each in accounts:
            self.expect(each["remaining"]["epsilon_nano"] >= 0, f"{each['account']} is overspent")

    def _without_broker(self) -> None:
        deal = self.deals[1]
        with step(self.output, "The broker stops; contracted work goes on", "运营平台停止；合约内的计算继续"):
            self.space.broker.stop()
            question = self._questions(deal.product)[0]
            document = self._query(deal, question)
        self.expect(document["state"] == "released", "contracted work stopped with the broker")
        node = self.space.nodes[deal.product.provider]
        with step(self.output, "The broker is back; the journal follows", "运营平台恢复；日志补交"):
            self.space.broker.start()
            self._until(lambda: not unsent(node), "the journal reaches the broker")

    def _audit(self) -> None:
        folder, bundle = self.space.folder / REGULATOR, self.space.folder / "evidence.zip"
        with step(self.output, "The regulator fetches the whole log", "监管方取得整个日志"):
            harness.must(("audit", "fetch", "--out", str(bundle), "--dir", str(folder)))
        with step(
            self.output, "Anybody verifies it offline, with the base install alone", "任何人可仅用基础安装离线验证"
        ):
            answer = harness.run(("verify", str(bundle), "--space", str(folder / "space.json")))
        witness = harness.run(("witness", "status", "--dir", str(self.space.folder / WITNESS)))
        telling.witness(self.output, witness.document or {})
        self.expect(witness.ok, "the witness refused something that the log had signed")
        telling.verification(self.output, answer.document or {}, bundle)
        self.expect(answer.ok, "the evidence does not verify")
        with step(self.output, "The regulator asks its questions of the verified log", "监管方就经验证的日志提问"):
            asked = harness.run(("audit", "all", "--report", str(folder / "reports"), "--dir", str(folder)))
        telling.questions(self.output, asked.document or {})
        self.expect(asked.ok, "the regulator found something", "监管方有所发现")

    def _pages(self) -> None:
        """What a browser is shown: to a stranger, and to whoever opens a one-time link."""
        with step(
            self.output,
            "Anybody reads the catalog and the log in a browser; parties and regulators open more by one-time links",
            "任何人可用浏览器阅读目录与日志；各方与监管方以一次性链接查看更多",
        ):
            address = f"http://{LOCAL}:{self.space.broker.ready['web_port']}"
            link = self.consumer.do("contract", "page", self.deals[-1].agreement)["url"]
            shown = [read(url) for url in (f"{address}/", f"{address}/log", f"{address}/checkpoint", link, link)]
        telling.addresses(self.output, address)
        self.expect(shown == [200, 200, 200, 200, 403], f"the pages answer {shown}")

    # ------------------------------------------------------------ inside

    def _questions(self, product: Product) -> list[Question]:
        if self.own is not None:
            return questions.general_questions(product)
        return questions.tumour_questions() if product.source == "tumours" else questions.flight_questions()

    def _contracts(self) -> list[Any]:
        return list(self.consumer.do("contract", "list")["contracts"])

    def _state(self, negotiation: str) -> str:
        return next((str(each["state"]) for each in self._contracts() if each["negotiation"] == negotiation), "")

    def _until(self, holds: Callable[[], bool], what: str) -> None:
        self.expect(harness.until(holds, _PATIENCE), f"waited in vain until {what}")

    def _each(self, items: Iterable[Any], work: Callable[[Any], Any]) -> list[Any]:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(work, items))


def sql(question: Question, product: Product) -> str:
    """The question's text about one product."""
    return question.sql.format(table=f'"{product.id}"')


def read(url: str) -> int:
    """The status of a page."""
    try:
        with urlopen(url, timeout=_PATIENCE) as answer:  # noqa: S310 - of the broker that was just started
            return int(answer.status)
    except HTTPError as fault:
        fault.close()
        return fault.code


def unsent(node: Node) -> bool:
    """Whether a connector still has statements that the broker's log has not."""
    return any(each["kind"] == "outbox" for each in node.do("connector", "status")["waiting"])


def run(folder: Path, output: Output, own: Path | None, *, keep: Callable[[Demo], None] | None) -> int:
    """Tell the story in a folder; exit code 0 if everything held.

    Args:
        keep: what to do with the running space at the end, before it is stopped.
    """
    started = time.monotonic()
    # One waiting worker a connector is enough: questions come one after another, and starting one takes a second.
    database = postgresql.Server() if own is None and postgresql.installed() else None
    demo = Demo(Space(folder, settings={"workers": 1}, pages=True), output, own, database)
    try:
        demo.tell()
        telling.ending(output, demo.broken, folder, time.monotonic() - started)
        if keep is not None:
            keep(demo)
    finally:
        demo.space.stop()
        if database is not None:
            database.stop()
    return 1 if demo.broken else 0
