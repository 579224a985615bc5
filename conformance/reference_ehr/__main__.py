"""Run the reference EHR on loopback: ``python -m conformance.reference_ehr --port 8090 --service URL``."""

import argparse
import sys
from datetime import timedelta

from conformance.errors import CheckError
from conformance.reference_ehr import dialects, serving


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m conformance.reference_ehr",
        description="A small reference EHR with synthetic patients, on loopback only.",
        epilog="Example: python -m conformance.reference_ehr --port 8090 --service http://127.0.0.1:8040",
    )
    parser.add_argument("--port", type=int, default=8090)
    parser.add_argument("--service", metavar="URL", default="", help="the CDS service to call and to launch")
    parser.add_argument("--token-minutes", type=int, default=15, help="life of a user's token, 5 to 60")
    parser.add_argument("--fault", metavar="NAME", action="append", default=[], help="what is wrong with it")
    parser.add_argument(
        "--dialect",
        default=dialects.PLAIN,
        choices=dialects.names(),
        help="how charts are served; orders are written in R4 in every dialect (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    if not 5 <= options.token_minutes <= 60:
        parser.error("U-REF-TOKEN-LIFE: --token-minutes has to be between 5 and 60")
    life = timedelta(minutes=options.token_minutes)
    served = serving.Served(
        options.port, options.dialect, options.service.rstrip("/"), tuple(options.fault), token_life=life
    )
    try:
        serving.serve(served, lambda _: None)
    except CheckError as error:
        parser.error(f"{error.code}: {error.message}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
