"""`extensa type`: extension types, which say what can be installed and in which versions; publish your own."""

from pathlib import Path
from typing import Any

import click

from extensa.cli import options
from extensa.cli.grammar import Group
from extensa.cli.output import Column, emit
from extensa.cli.session import Session
from extensa.client import paths

_API = paths.TYPES_API
COLUMNS: tuple[Column, ...] = (
    ("ExtensionType", "properties.extensionType|name"),
    ("Publisher", "properties.publisher"),
    ("DefaultScope", "properties.supportedScopes.defaultScope"),
    ("ClusterTypes", "properties.supportedClusterTypes"),
    ("Description", "properties.description"),
)
VERSION_COLUMNS: tuple[Column, ...] = (
    ("Version", "properties.version|name"),
    ("ReleaseTrains", "properties.releaseTrains"),
)


@click.group(cls=Group)
def type_() -> None:
    """List, show and publish extension types."""


type_.name = "type"


@type_.verb(
    "list",
    examples=[
        ("List what can be installed", "extensa type list -o table"),
        ("List what one cluster may have", "extensa type list -g demo -c demo -o table"),
    ],
)
@click.option("-l", "--location", metavar="REGION", help="Region; by default EXTENSA_LOCATION.")
@click.option("-g", "--resource-group", metavar="GROUP", help="Resource group of the cluster asked about.")
@click.option("-c", "--cluster-name", metavar="CLUSTER", help="Name of the cluster asked about.")
@click.option(
    "-t", "--cluster-type", default="managedClusters", metavar="|".join(paths.CLUSTER_TYPES), help="Its kind."
)
@options.output
@click.pass_obj
def list_(session: Session, /, **where: str | None) -> None:
    """List extension types, of a region or for a cluster."""
    emit(list(session.arm.list(_base(session, where), _API)), format=session.format, columns=COLUMNS)


@type_.verb("show", examples=[("Show one type", "extensa type show -n extensa.hello")])
@click.option("-n", "--extension-type", required=True, metavar="TYPE", help="Name of the type.")
@click.option("-l", "--location", metavar="REGION", help="Region; by default EXTENSA_LOCATION.")
@options.output
@click.pass_obj
def show(session: Session, /, extension_type: str, location: str | None) -> None:
    """Show an extension type."""
    path = f"{_base(session, {'location': location})}/{extension_type.lower()}"
    emit(session.arm.get(path, _API), format=session.format, columns=COLUMNS)


@type_.verb("versions", examples=[("List the versions of a type", "extensa type versions -n extensa.hello -o table")])
@click.option("-n", "--extension-type", required=True, metavar="TYPE", help="Name of the type.")
@click.option("--release-train", metavar="TRAIN", help="Only versions on this train.")
@click.option("-l", "--location", metavar="REGION", help="Region; by default EXTENSA_LOCATION.")
@options.output
@click.pass_obj
def versions(session: Session, /, extension_type: str, release_train: str | None, location: str | None) -> None:
    """List the versions of an extension type."""
    query = {"releaseTrain": release_train} if release_train else {}
    path = f"{_base(session, {'location': location})}/{extension_type.lower()}/versions"
    emit(list(session.arm.list(path, _API, **query)), format=session.format, columns=VERSION_COLUMNS)


@type_.verb(
    "publish",
    examples=[
        ("Publish a chart as a type", "extensa type publish ./mychart --type my.app --version 1.0.0 --train stable"),
    ],
)
@click.argument("chart", type=click.Path(exists=True, path_type=Path))
@click.option("--type", "extension_type", required=True, metavar="TYPE", help="Name of the type, such as my.app.")
@click.option("--version", metavar="VERSION", help="Version of the type; by default the chart's.")
@click.option(
    "--train", "trains", multiple=True, default=("stable",), show_default=True, help="Train; may be repeated."
)
@click.option("--description", metavar="TEXT", help="What the type is for; by default the chart's.")
@click.option("--publisher", metavar="NAME", help="Who publishes it.")
@options.output
@click.pass_obj
def publish(session: Session, /, chart: Path, trains: tuple[str, ...], **given: Any) -> None:
    """Publish a Helm chart (a folder or a .tgz) as a version of an extension type.

    The type is made when it is not there yet.
    """
    from extensa.cli.publishing import publish_chart

    emit(publish_chart(session, chart, trains=trains, **given), format=session.format, columns=VERSION_COLUMNS)


def _base(session: Session, where: dict[str, str | None]) -> str:
    if cluster := where.get("cluster_name"):
        if not where.get("resource_group"):
            raise click.UsageError("A cluster is named by both -g and -c.")
        kind = where.get("cluster_type") or ""
        return paths.types_on(paths.cluster(session.subscription, str(where["resource_group"]), cluster, kind))
    return paths.types_at(session.subscription, where.get("location") or session.settings.location)
