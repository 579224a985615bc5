"""The evaluation that is kept beside a model, if it is of that very model."""

from importlib.resources import files
from importlib.resources.abc import Traversable

from recommender.ranker.manifest import Manifest
from recommender.ranker.model import NAME
from recommender.training.evaluation import Evaluation, decode

FILE = "evaluation.json"


def kept(manifest: Manifest, folder: Traversable | None = None) -> Evaluation | None:
    """Return the evaluation in the model's folder (the shipped one when left out); None where it is of another model.

    ModelError U-EVALUATION-FILE when it cannot be read.
    """
    place = (folder if folder is not None else files("recommender") / "models" / NAME) / FILE
    if not place.is_file():
        return None
    found = decode(place.read_bytes())
    return found if found.model == manifest.version else None
