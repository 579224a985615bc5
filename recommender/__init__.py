"""Knowledge, model, assessment, drafts: facts in, an assessment out; no clock, no network."""
