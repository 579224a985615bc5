"""How orders reach one EHR (``ehr.write_back``), held against its profile, what it declares, and the order itself.

card: the EHR signs what its card suggested; nothing is written. unsigned-order: the order that was approved here is
written as a draft, and the EHR's own signature is awaited. sign-and-write: the signed order is written as it is.
document-only: the signed order is written as a document, a person enters it, and that is awaited.
"""

import asyncio
from collections.abc import Iterable
from typing import Final

from service import telemetry
from service.drafts.signature.orders import STATUS_OF
from service.ehr import delivery, in_force
from service.ehr.client import EhrClient
from service.errors import ConfigError, ServiceError, Unprocessable

CODE: Final = "U-EHR-MODE"
_BY_PROFILE: Final = "writing.refuses of the profile"
# What the service's own client is allowed at the EHR, least first.
SCOPES: Final = {
    "card": in_force.SCOPE,
    "unsigned-order": f"{delivery.SCOPE} system/Medication.r",
    "sign-and-write": f"{delivery.SCOPE} system/Medication.r",
    "document-only": f"{delivery.DOCUMENT_SCOPE} {in_force.SCOPE}",
}


async def at_start(clients: Iterable[EhrClient]) -> None:
    """Ask every EHR that is written to what it declares; says loudly what does not fit, and lets the others run."""
    await asyncio.gather(*(_first(client) for client in clients))


async def refused(client: EhrClient) -> tuple[str, ...] | None:
    """Return what speaks against the tenant's mode: its profile, or what its EHR does not declare.

    None where the EHR cannot be asked now.
    """
    mode = client.ehr.write_back
    if mode == "card":
        return ()
    try:
        lacking = await _against(client)
    except ServiceError as error:
        telemetry.log().warning("EHR's capabilities not read", ehr=client.ehr.id, code=error.code)
        return None
    client.unfit = lacking
    return lacking


async def check_signing(client: EhrClient) -> None:
    """Refuse a signature that could not be written: Unprocessable U-SIGN-MODE, U-EHR-MODE."""
    if client.ehr.write_back == "card":
        raise Unprocessable("U-SIGN-MODE", "Orders of this EHR are signed in the EHR: accept the card there.")
    if lacking := await refused(client):
        raise Unprocessable(CODE, _told(client, lacking))


async def check_writing(client: EhrClient, status: str, signed_for: str | None) -> None:
    """Refuse to write an order in another mode than it was signed for, or one of another status.

    None is an order of which nothing was sent and no mode is known. ConfigError U-EHR-MODE; EhrFailed where the EHR
    cannot be asked.
    """
    mode = client.ehr.write_back
    if mode == "card" or STATUS_OF[mode] != status or (signed_for or mode) != mode:
        raise ConfigError(CODE, f"write_back of {client.ehr.id} is {mode} now, and the order was signed for another")
    client.unfit = await _against(client)
    if client.unfit:
        raise ConfigError(CODE, _told(client, client.unfit))


async def _against(client: EhrClient) -> tuple[str, ...]:
    """Ask the profile first: what a vendor documents is true of an EHR that declares more, or cannot be reached."""
    mode = client.ehr.write_back
    return (_BY_PROFILE,) if mode in client.refuses else (await client.capabilities()).lacking(mode)


async def _first(client: EhrClient) -> None:
    lacking = await refused(client)
    if lacking is None:
        telemetry.log().error("write-back not checked: asked again before the first write", ehr=client.ehr.id)
    elif lacking:
        telemetry.log().error("write-back refused", ehr=client.ehr.id, code=CODE, reason=", ".join(lacking))


def _told(client: EhrClient, lacking: Iterable[str]) -> str:
    mode = client.ehr.write_back
    if _BY_PROFILE in lacking:
        return (
            f"write_back {mode} is refused by the tenant's profile: this EHR is documented not to take such orders; "
            "choose another mode, or lift it in a profile of your own (writing.refuses)"
        )
    return f"write_back {mode} is refused: this EHR does not declare {', '.join(lacking)}; choose another mode"
