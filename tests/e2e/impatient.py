"""``undersign`` as a ``patient`` one, but a write-back whose worker died is taken over after 3 seconds, not sixty."""

from service.ehr import writeback
from tests.e2e import patient

writeback.LEASE_S = 3
writeback.DELIVERY_S = 2.5
writeback.POLL_S = 0.1
writeback.SETTLE_S = 1

if __name__ == "__main__":
    patient.main()
