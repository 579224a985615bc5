"""What a practitioner does: prepare, sign, reject, revoke, refer, attest, record a consent; and who may."""
