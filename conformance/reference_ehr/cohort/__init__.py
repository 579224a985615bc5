"""Simulated patients as FHIR: the reference EHR serves them in every dialect, as it serves its own people.

What a person is comes in as plain values (``Person``); nothing here knows how they were simulated, or how the
adapters read them. Every code is one that the reference EHR's own charts or tables have.
"""

from conformance.reference_ehr.cohort.chart import chart
from conformance.reference_ehr.cohort.export import export
from conformance.reference_ehr.cohort.person import Person
from conformance.reference_ehr.dialects import names

__all__ = ["Person", "chart", "export", "names"]
