"""What this participant's people are shown, as protobuf: nothing is decided here."""

from __future__ import annotations

from collections.abc import Mapping

from hefu import canonical
from hefu.envelope import Statement
from hefu.errors import Malformed
from hefu.statements.receipt import Failure, Receipt, Refusal
from hefu.times import write_time
from hefu.tlog.proof import LogProof
from hefu.v1 import catalog_pb2, common_pb2, computation_pb2, control_pb2
from hefu_policies.bargaining.haggling import Order, Verdict
from hefu_policies.bargaining.rounds import Step
from hefu_policies.budget import PrivacyLoss

from hefu_connector import peering
from hefu_connector.computing.asking import Outcome
from hefu_connector.computing.request import user_of
from hefu_connector.contracting.browsing import Product
from hefu_connector.desk import overview
from hefu_connector.desk.aftermath import Alarm, DutySeen
from hefu_connector.desk.meters import Meter
from hefu_connector.desk.overview import Left, Standing
from hefu_connector.ports import Answer, Balance, ComputationState
from hefu_connector.shelves import OwnProduct, OwnRequest, ProductState, SourceRecord

_NAMES = "names"  # the option under which a source record keeps what a product's columns are called in the file
_KINDS = {
    overview.Kind.ENROLLMENT: control_pb2.Waiting.KIND_ENROLLMENT,
    overview.Kind.NEGOTIATION: control_pb2.Waiting.KIND_NEGOTIATION,
    overview.Kind.APPROVAL: control_pb2.Waiting.KIND_APPROVAL,
    overview.Kind.COMPUTATION: control_pb2.Waiting.KIND_COMPUTATION,
    overview.Kind.OUTBOX: control_pb2.Waiting.KIND_OUTBOX,
    overview.Kind.DUTY: control_pb2.Waiting.KIND_DUTY,
}
_COLLECTIONS = {
    overview.Kind.ENROLLMENT: "enrollments/",
    overview.Kind.NEGOTIATION: "negotiations/",
    overview.Kind.APPROVAL: "negotiations/",
    overview.Kind.COMPUTATION: "computations/",
    overview.Kind.OUTBOX: "",
    overview.Kind.DUTY: "agreements/",
}
_ORDERS = {each: control_pb2.TermChange.Order.Value(f"ORDER_{each.name}") for each in Order}
_VERDICTS: Mapping[Verdict | None, control_pb2.Contract.Verdict.ValueType] = {
    each: control_pb2.Contract.Verdict.Value(f"VERDICT_{each.name}") for each in Verdict
}
_STATES: Mapping[ComputationState, computation_pb2.Computation.State.ValueType] = {
    each: computation_pb2.Computation.State.Value(f"STATE_{each.name}") for each in ComputationState
}


def signed(statement: Statement) -> common_pb2.Statement:
    """A statement as it travels."""
    return common_pb2.Statement(envelope=statement.to_bytes())


def id_in(name: str, *collections: str) -> str:
    """The id in a resource name of one of the collections.

    Raises:
        Malformed: the name is of none of them.
    """
    collection, slash, id_ = name.partition("/")
    if collection not in collections or not slash or not id_ or "/" in id_ or len(id_) > 64:
        raise Malformed("request.malformed", why=f"a name is {' or '.join(each + '/ID' for each in collections)}")
    return id_


def loss(amount: PrivacyLoss) -> common_pb2.PrivacyLoss:
    """A privacy loss in whole units."""
    return common_pb2.PrivacyLoss(
        epsilon_nano=amount.epsilon_nano, delta_femto=amount.delta_femto, rho_nano=amount.rho_nano
    )


def waiting(found: overview.Waiting) -> control_pb2.Waiting:
    """Something that waits."""
    return control_pb2.Waiting(
        kind=_KINDS[found.kind],
        name=_COLLECTIONS[found.kind] + found.name,
        on=found.on,
        since_time=write_time(found.since),
        until_time=write_time(found.until) if found.until else "",
        count=found.count,
    )


def source(record: SourceRecord) -> control_pb2.Source:
    """A registered source."""
    names = record.options.get(_NAMES)
    return control_pb2.Source(
        name=f"sources/{record.name}",
        uri=record.uri,
        form=record.form,
        options={name: str(value) for name, value in record.options.items() if name != _NAMES},
        column_names={name: str(value) for name, value in names.items()} if isinstance(names, dict) else {},
        resource=record.resource,
    )


def record_of(message: control_pb2.Source) -> SourceRecord:
    """A source as a person gave it; its resource is not theirs to say."""
    options: dict[str, object] = dict(message.options)
    if message.column_names:
        options[_NAMES] = dict(message.column_names)
    name = message.name.removeprefix("sources/")
    return SourceRecord(name, "", message.uri, message.form, options)  # type: ignore[arg-type]


def own_product(held: OwnProduct) -> catalog_pb2.Product:
    """An own product."""
    state = catalog_pb2.Product.STATE_UNSPECIFIED
    if held.state is not ProductState.DRAFTED:
        retired = held.state is ProductState.RETIRED
        state = catalog_pb2.Product.STATE_RETIRED if retired else catalog_pb2.Product.STATE_LISTED
    return catalog_pb2.Product(
        name=f"products/{held.product}", state=state, provider=held.statement.issuer, description=signed(held.statement)
    )


def product(found: Product) -> catalog_pb2.Product:
    """A listed product whose description was verified."""
    listing = found.listing
    return catalog_pb2.Product(
        name=f"products/{listing.product}",
        state=catalog_pb2.Product.STATE_RETIRED if listing.retired else catalog_pb2.Product.STATE_LISTED,
        provider=listing.provider,
        description=signed(listing.description),
        proof=_proof(listing.proof) if listing.proof else None,
    )


def contract(found: Standing) -> control_pb2.Contract:
    """A negotiation or agreement."""
    held = found.contract
    agreement = str(found.agreement.body.get("agreement", "")) if found.agreement else ""
    message = control_pb2.Contract(
        name=f"negotiations/{found.id}",
        agreement_name=f"agreements/{agreement}" if agreement else "",
        state=control_pb2.Contract.State.Value(f"STATE_{found.state}"),
        provider=found.provider,
        consumer=found.consumer,
        product=f"products/{found.product}",
        offer=found.offer,
        purpose=found.purpose,
        update_time=write_time(found.updated),
        agreement=signed(found.agreement) if found.agreement else None,
        waiting=waiting(found.waiting) if found.waiting else None,
        reason=found.reason,
    )
    if found.table is not None:
        message.terms.extend(map(term_change, found.table.steps))
        message.round = found.table.round
        message.lacking.extend(
            control_pb2.Shortfall(code=each.code.value, about=each.about) for each in found.table.lacking
        )
        message.verdict = _VERDICTS.get(found.table.verdict, control_pb2.Contract.VERDICT_UNSPECIFIED)
    if held is not None:
        message.countersignature.CopyFrom(signed(held.countersignature))
        message.description.CopyFrom(signed(held.description_statement))
        message.descriptions.extend(signed(each) for each, _ in held.described)
        if found.charged is not None:
            account = overview.agreement_account(held)
            message.balance.CopyFrom(balance(Balance(account, found.charged)))
    return message


def duty(found: DutySeen) -> control_pb2.Duty:
    """A duty, as this participant sees it."""
    return control_pb2.Duty(
        agreement=f"agreements/{found.agreement}",
        id=found.id,
        action=found.action,
        subject=found.subject,
        state=control_pb2.Duty.State.Value(f"STATE_{found.stand.name}"),
        on=found.on,
        word=found.word,
        since_time=write_time(found.since) if found.since else "",
        due_time=write_time(found.due) if found.due else "",
        computation=found.computation,
        due=found.when,
        follows=found.follows,
        proof=common_pb2.Statement(envelope=found.proof) if found.proof else None,
    )


def alarm(found: Alarm) -> control_pb2.Alarm:
    """Something that is not as was agreed."""
    return control_pb2.Alarm(
        agreement=f"agreements/{found.agreement}",
        code=found.code,
        issuer=found.issuer,
        about=found.about,
        duty=found.duty,
        subject=found.subject,
        reason=found.reason,
        time=write_time(found.time),
        statement=signed(found.statement),
    )


def term_change(found: Step) -> control_pb2.TermChange:
    """A term before and after."""
    return control_pb2.TermChange(
        term=found.key,
        name=found.name,
        titles={"en": found.en, "zh": found.zh},
        before=found.before,
        after=found.after,
        order=_ORDERS[found.against_offer],
    )


def balance(found: Balance, title: str = "") -> control_pb2.Balance:
    """An account."""
    return control_pb2.Balance(
        account=found.account.name,
        limit=loss(found.account.limit.loss),
        limit_releases=found.account.limit.releases,
        charged=loss(found.charged.loss),
        charged_releases=found.charged.releases,
        title=title,
    )


def meter(found: Meter) -> control_pb2.Meter:
    """An account of uses, time or money."""
    return control_pb2.Meter(
        agreement=f"agreements/{found.agreement}",
        operand=found.counted.term,
        unit=found.counted.unit,
        window=found.counted.window,
        taken=found.taken,
        limit=found.counted.limit,
        last_time=write_time(found.last) if found.last else "",
        title=found.title,
    )


def estimate(found: peering.Estimate) -> computation_pb2.Estimate:
    """Cost and expected error."""
    errors = [
        computation_pb2.ExpectedError(
            column=each.column, half_width=each.half_width, mechanism=each.mechanism, scale=each.scale
        )
        for each in found.errors
    ]
    return computation_pb2.Estimate(charge=loss(found.charge.loss), errors=errors, cells=found.cells)


def own_computation(own: OwnRequest) -> control_pb2.OwnComputation:
    """A computation this participant asked for; `ending` has the rest once it is over."""
    statement = Statement.parse(own.envelope)
    state = _STATES[own.state] if own.state else computation_pb2.Computation.STATE_UNSPECIFIED
    if own.fault:
        state = computation_pb2.Computation.STATE_REFUSED
    return control_pb2.OwnComputation(
        computation=computation_pb2.Computation(
            name=f"computations/{own.id}",
            state=state,
            parts=own.parts or 0,
            update_time=write_time(own.updated),
            receipt=common_pb2.Statement(envelope=own.receipt) if own.receipt else None,
        ),
        agreement=f"agreements/{own.agreements[0]}",
        provider=own.peer,
        purpose=str(statement.body.get("purpose", "")),
        user=user_of(statement),
        create_time=write_time(own.created),
        reasons=[own.fault] if own.fault else [],
        plan=canonical.encode(statement.body.get("plan")),
        joined=f"agreements/{own.agreements[1]}" if len(own.agreements) > 1 else "",
    )


def ending(outcome: Outcome) -> control_pb2.OwnComputation:
    """What only the end of a computation tells: reasons and answer."""
    reasons = [outcome.end.code] if isinstance(outcome.end, Failure) else outcome.reasons
    return control_pb2.OwnComputation(reasons=reasons, answer=answer(outcome.answer) if outcome.answer else None)


def answer(found: Answer) -> control_pb2.Answer:
    """An opened release."""
    rows = [
        control_pb2.AnswerRow(
            cells=[
                control_pb2.AnswerCell(value=value, half_width=width) for value, width in zip(row, widths, strict=True)
            ]
        )
        for row, widths in zip(found.rows, found.half_widths, strict=True)
    ]
    mechanisms = [
        computation_pb2.ExpectedError(
            column=each.column, half_width=each.half_width, mechanism=each.mechanism, scale=each.scale
        )
        for each in found.mechanisms
    ]
    return control_pb2.Answer(headings=found.headings, rows=rows, mechanisms=mechanisms)


def release(left: Left) -> control_pb2.Release:
    """What left, or did not, as the provider's journal has it."""
    run, end = left.run, left.end
    message = control_pb2.Release(
        name=f"computations/{run.id}",
        state=_STATES[run.state],
        consumer=run.consumer,
        agreement=f"agreements/{run.agreements[0]}" if run.agreements else "",
        create_time=write_time(run.created),
        update_time=write_time(run.updated),
        user=left.user,
        receipt=common_pb2.Statement(envelope=run.receipt) if run.receipt else None,
    )
    if isinstance(end, Receipt):
        message.product = f"products/{end.product}"
        message.clause = end.agreements[0].clause
        message.cells = end.output.cells
    if isinstance(end, Refusal | Failure):
        message.clause = end.code
    if isinstance(end, Refusal):
        message.reasons.extend(end.reasons)
        message.clause = _first_clause(end) or end.code
    if left.said is not None:
        message.processing = left.said.processing
        message.delete_by_time = write_time(left.said.delete_by)
        if left.handed is not None and left.handed.proof is not None:
            message.deletion.CopyFrom(common_pb2.Statement(envelope=left.handed.proof))
    if isinstance(end, Receipt | Failure):
        spent = end.charge
        message.charge.CopyFrom(loss(PrivacyLoss(spent.epsilon_nano, spent.delta_femto, spent.rho_nano)))
    return message


def _first_clause(refusal: Refusal) -> str:
    """The id with which a decision's first reason begins; empty where no clause refused."""
    clause, colon, _ = refusal.reasons[0].partition(": ") if refusal.reasons else ("", "", "")
    return clause if colon and " " not in clause else ""


def _proof(found: LogProof) -> common_pb2.LogProof:
    return common_pb2.LogProof(index=found.index, hashes=found.hashes, checkpoint=found.checkpoint)
