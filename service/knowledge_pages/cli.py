"""``undersign knowledge …``: what the tables hold, what a site's pack changes in them, and one drug as a page."""

from pathlib import Path
from typing import Annotated

import typer

knowledge_app = typer.Typer(
    help="The clinical knowledge and a site's knowledge pack.\n\nExample: undersign knowledge check",
    no_args_is_help=True,
)
PackFolder = Annotated[
    Path | None, typer.Option(help="A folder with a knowledge pack; only what is shipped when left out.", metavar="DIR")
]
AsObject = Annotated[bool, typer.Option("--json", help="One JSON object instead of a page.")]
Side = Annotated[str, typer.Argument(help="A pack's folder, a file of knowledge export, or shipped.", metavar="WHICH")]


@knowledge_app.command("check")
def check(pack: PackFolder = None, as_json: AsObject = False) -> None:
    """Check every row against every other, and say what can be drafted; status 1 when something does not fit.

    Example: undersign knowledge check --pack north-pack
    """
    from service.knowledge_pages.report import check_of

    raise typer.Exit(check_of(pack, as_json=as_json))


@knowledge_app.command("diff")
def diff(before: Side, after: Side, as_json: AsObject = False) -> None:
    """Say which rows differ, what lets more through first.

    Example: undersign knowledge diff shipped north-pack
    """
    from service.knowledge_pages.report import diff_of

    diff_of(before, after, as_json=as_json)


@knowledge_app.command("show")
def show(
    drug: Annotated[str, typer.Argument(help="A drug of the formulary, or an ingredient.", metavar="DRUG")],
    pack: PackFolder = None,
    as_json: AsObject = False,
) -> None:
    """Show one drug: codes, doses, products, rules, genes, evidence, and what keeps it from being drafted.

    Example: undersign knowledge show sertraline
    """
    from service.knowledge_pages.report import show_of

    show_of(drug, pack, as_json=as_json)


@knowledge_app.command("export")
def export(
    file: Annotated[Path, typer.Argument(help="The file to write.", metavar="FILE")], pack: PackFolder = None
) -> None:
    """Write all tables with their version to one file, to compare them later.

    Example: undersign knowledge export knowledge-2026-11.json
    """
    from service.knowledge_pages.report import export_to

    export_to(file, pack)
