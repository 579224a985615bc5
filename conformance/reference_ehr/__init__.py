"""A small real EHR on loopback: FHIR R4 over HTTP, its own authorisation server and keys, a CDS
Hooks client, and pages for people (``desk``).

What it is not: no product, no certified system, no place for anybody's data. Its patients and practitioners
are synthetic, everything lives in memory and is gone at the end, anybody on this machine can log in as any
of its users without a password, and its search semantics are one implementation's. It knows no XML, no
chained search, no terminology server and no subscriptions. The CapabilityStatement and the
front page say the same.
"""
