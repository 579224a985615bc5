"""From bytes to resources: envelopes, references, repairs, and the FHIR elements that are touched."""
