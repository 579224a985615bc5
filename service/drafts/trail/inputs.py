"""What a decision stood on, kept with its drafts, so that it can be worked out again: facts in, the same drafts out.

The canonical patient holds all that rules and model read of a chart; the feature vector follows from it. It is kept
compressed in the draft's context, so it is sealed, digested by the audit chain and dropped like the rest of it.
"""

import base64
import binascii
import zlib
from collections.abc import Mapping
from datetime import date
from typing import Any

import msgspec

from fhir_adapters.canonical import Adapted, CanonicalPatient
from fhir_adapters.vector.features import vector
from recommender.assess import assess
from recommender.assessment import Assessment, Attestation, ConsentDefault
from recommender.catalog.knowledge import Knowledge
from recommender.ranker.model import Model
from service.errors import Unprocessable

NAME = "inputs"


class Inputs(msgspec.Struct, frozen=True):
    """Everything but knowledge and model that an assessment is made of; ``ranked``: a model was asked."""

    patient: CanonicalPatient
    as_of: date
    profile: str
    attested: tuple[Attestation, ...]
    jurisdiction: str | None
    consent_default: ConsentDefault
    requester: dict[str, Any]
    stopped: dict[str, str]
    ranked: bool

    def adapted(self) -> Adapted:
        """Return patient and features as the adapters gave them."""
        return Adapted(self.patient, vector(self.patient, self.as_of), self.profile)

    def assessed(self, knowledge: Knowledge, model: Model | None) -> Assessment:
        """Return the assessment of these inputs; the model is left out where none was asked."""
        return assess(
            self.adapted(),
            knowledge,
            model if self.ranked else None,
            jurisdiction=self.jurisdiction,
            requester=self.requester,
            consent_default=self.consent_default,
            attestations=self.attested,
            stopped=self.stopped,
        )


def packed(inputs: Inputs) -> str:
    """Return the inputs as text: JSON, deflated, base64."""
    return base64.b64encode(zlib.compress(msgspec.json.encode(inputs, order="deterministic"), 1)).decode()


def unpacked(context: Mapping[str, Any]) -> Inputs:
    """Return the inputs of a draft's context.

    Unprocessable: U-REPLAY-INPUTS (none were kept), U-REPLAY-RECORD (they are not of this version's form).
    """
    text = context.get(NAME)
    if not isinstance(text, str):
        raise Unprocessable("U-REPLAY-INPUTS", "nothing was kept of what this decision stood on; see audit.keep_inputs")
    try:
        return msgspec.json.decode(zlib.decompress(base64.b64decode(text)), type=Inputs)
    except (binascii.Error, zlib.error, msgspec.DecodeError) as error:
        msg = "what this decision stood on is not of the form that this version reads; replay it with the version named"
        raise Unprocessable("U-REPLAY-RECORD", msg) from error
