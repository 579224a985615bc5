"""Run the reference EHR on loopback: ``python -m conformance.reference_ehr --port 8090 --service URL``."""

import argparse
import sys
from datetime import timedelta

import uvicorn

from conformance.reference_ehr.ehr import build
from conformance.reference_ehr.server import create_app


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m conformance.reference_ehr",
        description="A small reference EHR with synthetic patients, on loopback only.",
        epilog="Example: python -m conformance.reference_ehr --port 8090 --service http://127.0.0.1:8040",
    )
    parser.add_argument("--port", type=int, default=8090)
    parser.add_argument("--service", metavar="URL", help="the CDS service to call and to launch")
    parser.add_argument("--token-minutes", type=int, default=15, help="life of a user's token, 5 to 60")
    options = parser.parse_args(arguments)
    if not 5 <= options.token_minutes <= 60:
        parser.error("U-REF-TOKEN-LIFE: --token-minutes has to be between 5 and 60")
    service = options.service.rstrip("/") if options.service else None
    life = timedelta(minutes=options.token_minutes)
    app = create_app(build(f"http://127.0.0.1:{options.port}", service, token_life=life))
    uvicorn.run(app, host="127.0.0.1", port=options.port, log_level="warning", access_log=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
