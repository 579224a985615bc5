"""Which step of treatment a patient is at, and what is offered there."""
