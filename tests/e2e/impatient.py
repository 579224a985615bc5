"""``undersign`` as it is, but a write-back whose worker died is taken over after one second, not sixty."""

from service.cli import main
from service.ehr import writeback

writeback.LEASE_S = 1
writeback.DELIVERY_S = 0.8
writeback.POLL_S = 0.1
writeback.SETTLE_S = 1

if __name__ == "__main__":
    main()
