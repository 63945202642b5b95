"""DICOM associations over mutual TLS, opened as a device opens them."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from io import BytesIO
from typing import Any

from pynetdicom import AE, _config, build_context, build_role, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import PresentationContext
from pynetdicom.sop_class import (
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    Verification,
)

from wardstack.archive.config import VerifyConfig
from wardstack.archive.instance import IMPLEMENTATION_CLASS_UID, Instance
from wardstack.archive.tls import device_context

FIND = StudyRootQueryRetrieveInformationModelFind
GET = StudyRootQueryRetrieveInformationModelGet
ECHO = Verification

#: Status of success (PS3.7 C.1).
SUCCESS = 0x0000

#: Handlers for pynetdicom events: event, function, its arguments.
Handler = tuple[Any, Callable[..., Any]]


class Interrupted(Exception):
    """There is no association, or it ended before an answer; worth another try."""


def quiet() -> None:
    """Keep pynetdicom from logging; every failure is reported by its caller."""
    _config.LOG_HANDLER_LEVEL = "none"
    logger = logging.getLogger("pynetdicom")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False


def storage_contexts(pairs: Iterable[tuple[str, str]]) -> list[PresentationContext]:
    """Return one presentation context for each SOP class and transfer syntax.

    A context of its own for each pair leaves the archive no choice of the
    transfer syntax, so an object is sent exactly as it is.
    """
    return [build_context(sop_class, syntax) for sop_class, syntax in sorted(set(pairs))]


def receiver_roles(
    contexts: Iterable[PresentationContext],
) -> list[SCP_SCU_RoleSelectionNegotiation]:
    """Return the role selection for receiving objects by C-GET (PS3.7 D.3.3.4)."""
    classes = {str(context.abstract_syntax) for context in contexts}
    return [build_role(uid, scp_role=True) for uid in sorted(classes)]


def associate(
    config: VerifyConfig,
    contexts: Sequence[PresentationContext],
    handlers: Sequence[Handler] = (),
    roles: Sequence[SCP_SCU_RoleSelectionNegotiation] = (),
) -> Association:
    """Open an association.

    Args:
        config: Where the archive is, and as whom to speak to it.
        contexts: What to propose, at most 128.
        handlers: Event handlers.
        roles: Role selections.

    Returns:
        An established association.

    Raises:
        Interrupted: There is none; the message says why as far as is known.
    """
    entity = AE(ae_title=config.calling_aet)
    entity.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    entity.implementation_version_name = "WARDSTACK"
    entity.acse_timeout = entity.dimse_timeout = config.timeout
    entity.network_timeout = entity.connection_timeout = config.timeout
    entity.maximum_pdu_size = 131072

    def opened(event: evt.Event) -> None:
        tune(event.assoc.dul.socket.socket, config.timeout)

    association = entity.associate(
        config.address,
        config.dicom_port,
        contexts=list(contexts),
        ae_title=config.called_aet,
        ext_neg=list(roles),
        tls_args=(device_context(config), config.address),
        evt_handlers=[(evt.EVT_CONN_OPEN, opened), *handlers],
    )
    if not association.is_established:
        if association.is_rejected:
            raise Interrupted("association rejected")
        raise Interrupted("no association: not connected, TLS refused, or aborted")
    _hold(association)
    return association


def _hold(association: Association) -> None:
    """Stop pynetdicom's own thread from taking answers that a caller waits for.

    An association's thread looks for messages of the peer whenever no request
    is under way. It is paused for each request and resumed afterwards, and on
    a busy machine a thread just resumed overlooks the next pause and swallows
    the answer: about one of 500 objects then seemed to be never answered
    (measured with pynetdicom 3.0.4). A client needs no such thread, so it is
    paused once and for all; release and abort resume it to its end.
    """
    association._reactor_checkpoint.clear()
    pause = threading.Event()
    # Long enough for a thread that passed the checkpoint to come round again.
    pause.wait(0.01)
    while not association._is_paused:
        if not association.is_alive():
            raise Interrupted("association ended at once")
        pause.wait(0.001)


def tune(connection: socket.socket, timeout: float) -> None:
    """Set a connection up for short messages and for peers that vanish.

    Without TCP_NODELAY Nagle's algorithm and delayed acknowledgements cost
    some 40 ms an object. TCP_USER_TIMEOUT ends a connection whose peer
    vanished without a reset.

    Args:
        connection: An open TCP connection, in TLS or not.
        timeout: Of unacknowledged data and of each read and write, seconds.
    """
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(timeout * 1000))
    connection.settimeout(timeout)


def release(association: Association) -> None:
    """Release an association, or abort it if that does not come to an end."""
    # pynetdicom waits without limit for its own thread, which may just have
    # ended with the connection: never wait for it here.
    thread = threading.Thread(target=association.release, daemon=True)
    thread.start()
    thread.join(10.0)
    if thread.is_alive():
        association.abort(block=False)


def echo(config: VerifyConfig) -> None:
    """Send a C-ECHO.

    Raises:
        Interrupted: It was not answered with success.
    """
    association = associate(config, [build_context(ECHO)])
    status = association.send_c_echo()
    release(association)
    if status.get("Status") != SUCCESS:
        raise Interrupted(f"C-ECHO: {describe(status.get('Status'))}")


def store(association: Association, instance: Instance, message_id: int) -> int:
    """Send an instance by C-STORE, byte for byte.

    pynetdicom's own ``send_c_store`` encodes the data set again, and resumes
    its thread after each object, which then may take the next answer (see
    :func:`_hold`); this sends the very bytes of the instance.

    Args:
        association: An established association with a context for the
            instance's SOP class and transfer syntax.
        instance: What to send.
        message_id: 1 to 65535, unique within the association.

    Returns:
        The status (PS3.4 B.2.3); only 0x0000 is an acknowledgement.

    Raises:
        Interrupted: The association ended, or no answer came in time.
    """
    context_id = _context_for(association, instance)
    request = C_STORE()
    request.MessageID = message_id
    request.Priority = 2
    request.AffectedSOPClassUID = instance.sop_class
    request.AffectedSOPInstanceUID = instance.sop_uid
    request.DataSet = BytesIO(instance.data)
    if association.acse.is_aborted() or not association.dul.is_alive():
        association.abort(block=False)
        raise Interrupted("association ended between two objects")
    association.dimse.send_msg(request, context_id)
    _, response = association.dimse.get_msg(block=True)
    if response is None:
        ended = "association ended" if association.acse.is_aborted() else "no answer in time"
        association.abort(block=False)
        raise Interrupted(f"{ended} before the acknowledgement")
    status = getattr(response, "Status", None)
    if not isinstance(response, C_STORE) or status is None:
        association.abort(block=False)
        raise Interrupted("the answer is no C-STORE response")
    return int(status)


def _context_for(association: Association, instance: Instance) -> int:
    for context in association.accepted_contexts:
        if (
            context.abstract_syntax == instance.sop_class
            and context.transfer_syntax[0] == instance.transfer_syntax
            and context.context_id is not None
        ):
            return int(context.context_id)
    raise Interrupted(f"the archive does not accept {instance.sop_class} in {instance.transfer_syntax}")


def describe(status: int | None) -> str:
    """Say a DIMSE status as people look it up."""
    return "no answer" if status is None else f"status 0x{status:04X}"
