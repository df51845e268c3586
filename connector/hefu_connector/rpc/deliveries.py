"""The calls about deliveries that this participant's own people make: a part of the control service."""

# ruff: noqa: N802 - methods are named as in the protocol

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator

import grpc
from hefu.errors import Malformed
from hefu.times import write_time
from hefu.v1 import common_pb2, control_pb2
from hefu_policies import odrl
from hefu_policies.words.terms import DOWNLOAD, FILE, READ

from hefu_connector.computing.custody import Custody, Holding
from hefu_connector.computing.rows import Rows

_ROWS = 500  # in one message
_CHUNK = 1 << 20  # bytes of a file in one message, and of the texts of its rows
_ACTIONS = {control_pb2.UseDeliveryRequest.USE_READ: READ, control_pb2.UseDeliveryRequest.USE_EXPORT: DOWNLOAD}


class DeliveryCalls:
    """Serves deliveries. Failures are raised; `hefu.wire.transport` translates them."""

    _custody: Custody
    _purpose: Callable[[str], str]

    @property
    def _user(self) -> str:
        """In whose name a use is journalled."""
        raise NotImplementedError

    def ListDeliveries(
        self, request: control_pb2.ListDeliveriesRequest, context: grpc.ServicerContext
    ) -> control_pb2.ListDeliveriesResponse:
        """All deliveries."""
        return control_pb2.ListDeliveriesResponse(deliveries=map(_view, self._custody.all()))

    def GetDelivery(
        self, request: control_pb2.GetDeliveryRequest, context: grpc.ServicerContext
    ) -> control_pb2.Delivery:
        """One delivery."""
        return _view(self._custody.find(_id(request.name)))

    def UseDelivery(
        self, request: control_pb2.UseDeliveryRequest, context: grpc.ServicerContext
    ) -> Iterator[control_pb2.DeliveredData]:
        """Read or export a delivery, if that is permitted now."""
        action = _ACTIONS.get(request.use)
        if action is None:
            raise Malformed("request.malformed", why="say whether it is to be read or exported")
        held = self._custody.find(_id(request.name))
        purpose = request.purpose or self._purpose(held.contract.agreement.id)
        rows = self._custody.use(held.receipt.computation, action, purpose, self._user)
        yield from _pieces(rows)

    def DeleteDelivery(
        self, request: control_pb2.DeleteDeliveryRequest, context: grpc.ServicerContext
    ) -> control_pb2.Delivery:
        """Delete one."""
        name = _id(request.name)
        self._custody.delete(name)
        return _view(self._custody.find(name))


def _pieces(rows: Rows) -> Iterator[control_pb2.DeliveredData]:
    yield control_pb2.DeliveredData(headings=rows.headings, types=rows.types)
    if rows.types == ("file",):
        data = base64.b64decode(rows.rows[0][0] or "", validate=True)
        for start in range(0, len(data), _CHUNK):
            yield control_pb2.DeliveredData(data=data[start : start + _CHUNK])
        return
    batch: list[control_pb2.DeliveredRow] = []
    size = 0
    for row in rows.rows:
        batch.append(control_pb2.DeliveredRow(cells=[control_pb2.DeliveredCell(value=cell) for cell in row]))
        size += sum(len(cell) for cell in row if cell is not None)
        if len(batch) == _ROWS or size > _CHUNK:
            yield control_pb2.DeliveredData(rows=batch)
            batch, size = [], 0
    if batch:
        yield control_pb2.DeliveredData(rows=batch)


def _view(held: Holding) -> control_pb2.Delivery:
    delivery, plan = held.delivery, held.plan
    state = control_pb2.Delivery.STATE_KEPT
    if delivery.proof is not None:
        state = control_pb2.Delivery.STATE_DELETED
    elif held.own.held != held.own.parts:
        state = control_pb2.Delivery.STATE_ARRIVING
    return control_pb2.Delivery(
        name=f"deliveries/{held.receipt.computation}",
        agreement=f"agreements/{held.contract.agreement.id}",
        provider=held.own.peer,
        product=f"products/{held.receipt.product}",
        processing=held.said.processing,
        columns=plan.columns if plan.form != FILE else (),
        rows=held.said.rows,
        form=plan.form,
        state=state,
        delivery_time=write_time(held.statement.time),
        delete_by_time=write_time(held.said.delete_by),
        uses=delivery.uses,
        deletion=common_pb2.Statement(envelope=delivery.proof) if delivery.proof is not None else None,
        cause=delivery.cause,
        confirmed=delivery.told,
        export_permitted=_may_leave(held),
    )


def _may_leave(held: Holding) -> bool:
    """Whether some rule permits taking it out; the decision itself is made at each use."""
    policies = [odrl.load(each.policy) for each in held.contract.agreement.terms]
    permitted = any(DOWNLOAD in each.actions() for each in policies)
    return permitted and not any(rule.action == DOWNLOAD for each in policies for rule in each.prohibitions)


def _id(name: str) -> str:
    kind, _, id_ = name.partition("/")
    if kind != "deliveries" or not id_ or "/" in id_ or len(name) > 100:
        raise Malformed("request.malformed", why="a name is deliveries/ and an id")
    return id_
