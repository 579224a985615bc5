"""The Questionnaire that patients answer on what matters to them: public, since it holds nothing of anybody."""

from functools import cache
from importlib.resources import files

from fastapi import APIRouter
from fastapi.responses import Response

from fhir_adapters import rating
from fhir_adapters.rating.preferences import NAME

router = APIRouter()


@router.get(f"/fhir/Questionnaire/{NAME}", summary="The Questionnaire on a patient's preferences")
async def preferences() -> Response:
    """Answer the Questionnaire that a portal shows; its answers are read from the chart."""
    return Response(_document(), media_type="application/fhir+json")


@cache
def _document() -> bytes:
    return (files(rating) / f"{NAME}.json").read_bytes()
