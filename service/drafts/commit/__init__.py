"""The steps that a store writes, each one commit of state, audit entry and outbox row."""
