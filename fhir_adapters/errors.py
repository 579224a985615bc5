"""The one error tree: every error has a stable code and says what to do.

UndersignError
├── InputError            bytes or resources that cannot be read (fhir_adapters)
├── ProfileError          a dialect profile or code map that cannot be used (fhir_adapters)
├── KnowledgeError        knowledge rows that contradict each other (recommender)
│   └── PackError         a site's knowledge pack that cannot be used (recommender)
├── ModelError            a model that does not fit its manifest or the feature schema (recommender)
├── TableError            a site's table of predictions and outcomes that cannot be judged (recommender)
├── SimulationError       a simulation that cannot be run as asked, or not be written (recommender)
├── CheckError            a run of checks that cannot be done as asked (conformance)
└── ServiceError          everything that happens over HTTP, in the store or in the settings (service.errors)

Codes are upper case, start with ``U-`` and never change their meaning; ``docs/errors.md`` lists them.
"""


class UndersignError(Exception):
    """An error that a person can act on.

    ``code`` is stable; ``message`` says what was wrong and what to do, without any patient's value.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class InputError(UndersignError):
    """Bytes or resources that cannot be read."""


class ProfileError(UndersignError):
    """A dialect profile or a code map that cannot be used."""
