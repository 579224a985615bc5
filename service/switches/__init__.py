"""What the site has switched off or runs in the shadow, without a restart: read at each call, kept in the audit chain.

A switch of one tenant, or of the whole service, is a register of the store: its last entry says what holds.
"""
