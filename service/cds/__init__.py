"""CDS Hooks 2.0.1: discovery, the hook calls, their cards, feedback, and who may call."""
