"""``undersign`` as it is, but it waits for its EHR for 6 seconds: on a busy machine two may be short."""

import httpx

from service.cli import main
from service.ehr import prefetch, transport

WAIT_S = 6.0
transport.TIMEOUT = httpx.Timeout(WAIT_S)
transport.EXCHANGE_S = prefetch.BUDGET_S = 2 * WAIT_S

if __name__ == "__main__":
    main()
