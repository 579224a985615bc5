"""The FHIR R4 API: drafts, signed orders, their provenance and audit, and the signing operations."""
