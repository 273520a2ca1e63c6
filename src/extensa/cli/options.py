"""The flags that many commands share, spelled once and as az spells them.

What concerns the whole run (format, subscription) goes into the session; what names a resource reaches the command as
its path.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from extensa.base.errors import Refused
from extensa.cli.output import FORMATS
from extensa.cli.session import Session
from extensa.client import paths

_F = TypeVar("_F", bound=Callable[..., Any])
_Body = Callable[..., Any]


def output(command: _F) -> _F:
    """Add ``-o``, which says how the answer is printed, and ``--subscription``; the session keeps both."""
    command = click.option(
        "-o",
        "--output",
        type=click.Choice(FORMATS, case_sensitive=False),
        expose_value=False,
        callback=_keep("asked_format"),
        help="How the answer is printed; EXTENSA_OUTPUT sets the default, else json.",
    )(command)
    return click.option(
        "--subscription",
        metavar="ID",
        expose_value=False,
        callback=_keep("asked_subscription"),
        help="Subscription; by default the credential's own.",
    )(command)


def group(command: _Body) -> _Body:
    """Add ``-n`` (also ``-g``), the name of a resource group; the command gets session and name."""
    spellings = ("-n", "-g", "--name", "--resource-group", "name")

    @click.option(*spellings, required=True, metavar="NAME", help="Name of the group.")
    @click.pass_obj
    def named(session: Session, /, name: str, **given: Any) -> Any:
        return command(session, name, **given)

    return _named_after(named, command)


def managed_cluster(command: _Body) -> _Body:
    """Add ``-g`` and ``-n``, which name an AKS-style cluster; the command gets session and path."""

    @_resource_group
    @click.option("-n", "--name", required=True, metavar="NAME", help="Name of the cluster.")
    @click.pass_obj
    def named(session: Session, /, resource_group: str, name: str, **given: Any) -> Any:
        return command(session, paths.cluster(session.subscription, resource_group, name), **given)

    return _named_after(named, command)


def cluster(command: _Body) -> _Body:
    """Add ``-g``, ``-c`` and ``-t``, which name a cluster of any kind; the command gets session and path."""

    @_cluster_flags
    @click.pass_obj
    def named(session: Session, /, resource_group: str, cluster_name: str, cluster_type: str, **given: Any) -> Any:
        path = paths.cluster(session.subscription, resource_group, cluster_name, cluster_type)
        return command(session, path, **given)

    return _named_after(named, command)


def extension(command: _Body) -> _Body:
    """Add ``-g``, ``-c``, ``-t`` and ``-n``, which name an extension; the command gets session and path."""

    @_cluster_flags
    @click.option("-n", "--name", required=True, metavar="NAME", help="Name of the extension.")
    @click.pass_obj
    def named(
        session: Session, /, resource_group: str, cluster_name: str, cluster_type: str, name: str, **given: Any
    ) -> Any:
        where = paths.cluster(session.subscription, resource_group, cluster_name, cluster_type)
        return command(session, paths.extension(where, name), **given)

    return _named_after(named, command)


def no_wait(command: _F) -> _F:
    """Add ``--no-wait``."""
    return click.option("--no-wait", is_flag=True, help="Return when the request is accepted; the work goes on.")(
        command
    )


def yes(command: _F) -> _F:
    """Add ``-y``."""
    return click.option("-y", "--yes", is_flag=True, help="Do not ask.")(command)


def confirm(question: str) -> None:
    """Ask and return when the answer is yes; raises `Refused` for any other answer, or none."""
    try:
        if click.confirm(question, err=True):
            return
    except click.Abort:
        click.echo(err=True)
    raise Refused("NotConfirmed", "Nothing was done.", next_step="Answer y, or add --yes.")


def tags(command: _F) -> _F:
    """Add ``--tags``, which takes several pairs."""
    return click.option("--tags", multiple=True, metavar="KEY=VALUE …", help="Tags, any number of pairs.")(command)


def three_state(*names: str, help: str) -> Callable[[_F], _F]:
    """Add a flag that may be followed by true or false; alone it means true, and left out nothing at all."""
    return click.option(*names, type=bool, is_flag=False, flag_value="true", default=None, help=help)


def _resource_group(command: _F) -> _F:
    return click.option(
        "-g", "--resource-group", required=True, metavar="GROUP", help="Resource group of the cluster."
    )(command)


def _cluster_flags(command: _F) -> _F:
    command = click.option(
        "-t",
        "--cluster-type",
        default="managedClusters",
        show_default=True,
        metavar="|".join(paths.CLUSTER_TYPES),
        help="Kind of the cluster.",
    )(command)
    command = click.option(
        "--cluster-resource-provider",
        "--cluster-rp",
        expose_value=False,
        metavar="NAMESPACE",
        help="Accepted for az's sake: it follows from the kind.",
    )(command)
    command = click.option("-c", "--cluster-name", required=True, metavar="CLUSTER", help="Name of the cluster.")(
        command
    )
    return _resource_group(command)


def _keep(attribute: str) -> Callable[[click.Context, click.Parameter, str | None], None]:
    def keep(ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
        if value is not None and isinstance(ctx.obj, Session):
            setattr(ctx.obj, attribute, value)

    return keep


def _named_after(wrapper: _Body, command: _Body) -> _Body:
    wrapper.__doc__ = command.__doc__
    wrapper.__name__ = command.__name__
    return wrapper
