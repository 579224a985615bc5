"""The service: HTTP, people, stores, EHR connections."""
