"""The clinician's page: server-rendered, no script, strict content policy."""
