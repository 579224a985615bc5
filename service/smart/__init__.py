"""SMART on FHIR: who the user is, by the EHR's own tokens."""
