"""`extensa extension`: extensions on a cluster, in `az k8s-extension`'s words and flags."""

import time
from typing import Any

import click

from extensa.base.errors import NotFound, Refused
from extensa.cli import evidence, extension_control, extension_history, extension_orphans, options
from extensa.cli.extension_answers import API, name_of
from extensa.cli.extension_answers import show as show_extension
from extensa.cli.grammar import Group
from extensa.cli.output import Column, emit
from extensa.cli.progress import step
from extensa.cli.session import Session
from extensa.cli.settings_flags import GREEDY, policies, settings, versioning, wishes
from extensa.cli.waiting import wait, words
from extensa.client import paths
from extensa.client.errors import from_operation
from extensa.client.extensions import create_body, update_body

OBJECT_COLUMNS: tuple[Column, ...] = (
    ("Kind", "kind"),
    ("Namespace", "namespace"),
    ("Name", "name"),
    ("Health", "health"),
    ("WaitsFor", "waitsFor"),
)
_UPDATE = "extensa extension update -g demo -c demo -n hello"
_CREATE = "extensa extension create -g demo -c demo --extension-type extensa.hello"


@click.group(cls=Group)
def extension() -> None:
    """Install, show, change and remove extensions on a cluster."""


@extension.verb(
    "create",
    greedy=GREEDY,
    examples=[
        ("Install a type and follow its stable train", f"{_CREATE} -n h2"),
        (
            "Pin a version, give settings and a secret",
            f"{_CREATE} -n h3 --version 1.0.0 --config a=1 b=2 --config-protected c=3",
        ),
        (
            "Install into one namespace",
            f"{_CREATE} -n h4 --scope namespace --target-namespace team-a",
        ),
        ("Leave what fails to be looked at", f"{_CREATE} -n h5 --on-failure stay --timeout 5m"),
        ("Take over a Helm release that is there already", f"{_CREATE} -n h6 --adopt"),
    ],
)
@click.option("--extension-type", required=True, metavar="TYPE", help="What to install; `extensa type list` shows it.")
@click.option(
    "--scope", type=click.Choice(("cluster", "namespace"), case_sensitive=False), help="Reach of the release."
)
@versioning
@click.option("--release-namespace", metavar="NAMESPACE", help="Namespace of the release (scope cluster).")
@click.option("--target-namespace", metavar="NAMESPACE", help="Namespace of the release (scope namespace).")
@settings
@policies
@click.option("--plan-name", metavar="PLAN", help="Marketplace plan.")
@click.option("--plan-product", metavar="PRODUCT", help="Marketplace product.")
@click.option("--plan-publisher", metavar="PUBLISHER", help="Marketplace publisher.")
@options.no_wait
@options.output
@options.extension
def create(session: Session, path: str, *, no_wait: bool, **given: Any) -> None:
    """Install an extension and wait until the agent has seen it healthy."""
    managed = "/managedClusters/" in path
    promise = session.arm.put(path, API, create_body(wishes(given, identity=not managed)))
    if not no_wait:
        wait(session, promise, path, API, title=f"Installing {name_of(path)}")
    show_extension(session, promise.body if no_wait else session.arm.get(path, API))


@extension.verb(
    "show",
    examples=[
        ("Show one extension", "extensa extension show -g demo -c demo -n hello"),
        ("The same as a table", "extensa extension show -g demo -c demo -n hello -o table"),
    ],
)
@options.output
@options.extension
def show(session: Session, path: str) -> None:
    """Show an extension."""
    show_extension(session, session.arm.get(path, API))


@extension.verb("list", examples=[("List what is on a cluster", "extensa extension list -g demo -c demo -o table")])
@options.output
@options.cluster
def list_(session: Session, path: str) -> None:
    """List the extensions of a cluster."""
    show_extension(session, list(session.arm.list(paths.extensions(path), API)))


@extension.verb(
    "update",
    greedy=GREEDY,
    examples=[
        ("Change a setting", f"{_UPDATE} --config greeting=hello"),
        ("Pin a version", f"{_UPDATE} --version 1.0.0"),
        ("Follow the train again", f"{_UPDATE} --auto-upgrade true"),
        ("Try twice more after a failure", f"{_UPDATE} --retries 2"),
        (
            "Have drift put right, but leave the replicas to an autoscaler",
            f"{_UPDATE} --drift correct --drift-ignore Deployment:/spec/replicas",
        ),
    ],
)
@versioning
@settings
@policies
@click.option("-y", "--yes", is_flag=True, expose_value=False, help="Accepted for az's sake: nothing is asked.")
@options.no_wait
@options.output
@options.extension
def update(session: Session, path: str, *, no_wait: bool, **given: Any) -> None:
    """Change an extension; what is not named stays as it is."""
    promise = session.arm.patch(path, API, update_body(wishes(given)))
    if not no_wait:
        wait(session, promise, path, API, title=f"Changing {name_of(path)}")
    show_extension(session, promise.body if no_wait else session.arm.get(path, API))


@extension.verb(
    "delete",
    examples=[
        ("Remove an extension", "extensa extension delete -g demo -c demo -n hello --yes"),
        ("With the chart's own definitions", "extensa extension delete -g demo -c demo -n hello --delete-crds"),
        ("Forget one on a cluster that is gone", "extensa extension delete -g demo -c demo -n hello --force --yes"),
    ],
)
@options.yes
@click.option("--force", is_flag=True, help="Forget the record at once, even when the cluster cannot be reached.")
@click.option("--delete-crds", is_flag=True, help="The chart's own definitions, too, and every object made of them.")
@click.option(
    "--remove-finalizers", is_flag=True, help="Take finalizers off what they hold; what they guard is not cleaned up."
)
@options.no_wait
@options.output
@options.extension
def delete(
    session: Session,
    path: str,
    *,
    yes: bool,
    force: bool,
    delete_crds: bool,
    remove_finalizers: bool,
    no_wait: bool,
) -> None:
    """Remove an extension and wait until the agent has seen its release gone.

    With --force the record goes now and the release when the agent comes to it; `extensa extension orphans` shows what
    is still there.
    """
    if _look(session, path) is None:
        click.echo(f"There is no extension '{name_of(path)}' here: nothing to delete.", err=True)
        return
    if not yes:
        more = " with all objects of its definitions" if delete_crds else ""
        options.confirm(f"Delete extension '{name_of(path)}'{more}?")
    flags = {"deleteCrds": delete_crds, "removeFinalizers": remove_finalizers}
    asked = {flag: "true" for flag, on in flags.items() if on}
    promise = session.arm.delete(path, API, forceDelete="true" if force else "false", **asked)
    if force:
        click.echo(
            "The agent removes the release when it can; `extensa extension orphans` shows what is left.", err=True
        )
    if not no_wait:
        wait(session, promise, path, API, title=f"Removing {name_of(path)}")


@extension.verb(
    "wait",
    examples=[
        ("Wait until an installation has ended well", "extensa extension wait -g demo -c demo -n hello --created"),
        ("Wait until it is gone", "extensa extension wait -g demo -c demo -n hello --deleted --timeout 120"),
    ],
)
@click.option("--created", is_flag=True, help="Until provisioningState is Succeeded.")
@click.option("--updated", is_flag=True, help="Until provisioningState is Succeeded.")
@click.option("--deleted", is_flag=True, help="Until it is not there.")
@click.option("--exists", is_flag=True, help="Until it is there.")
@click.option(
    "--interval", type=click.FloatRange(min=0.1), default=1.0, show_default=True, help="Seconds between looks."
)
@click.option("--timeout", type=click.FloatRange(min=0), default=3600, show_default=True, help="Seconds at the most.")
@options.output
@options.extension
def wait_for(
    session: Session,
    path: str,
    *,
    created: bool,
    updated: bool,
    deleted: bool,
    exists: bool,
    interval: float,
    timeout: float,
) -> None:
    """Wait for a state; fails when the extension has failed, or the time is over."""
    if not (created or updated or deleted or exists):
        raise click.UsageError("Say what to wait for: --created, --updated, --deleted or --exists.")
    deadline = time.monotonic() + timeout
    with step(f"Waiting for {name_of(path)}") as shown:
        while True:
            found = _look(session, path)
            shown.say(words(found) if found else "not there")
            if _reached(found, deleted=deleted, exists=exists):
                return
            if time.monotonic() >= deadline:
                raise Refused(
                    "WaitTimedOut",
                    f"The state was not reached within {timeout:g} s; last seen: {words(found) or 'not there'}.",
                    target=path,
                    next_step="Look at it with `extensa extension show`, or wait again with a longer --timeout.",
                )
            time.sleep(interval)


@extension.verb(
    "objects",
    examples=[
        ("Show what an extension consists of", "extensa extension objects -g demo -c demo -n hello -o table"),
        ("Ask the cluster now", "extensa extension objects -g demo -c demo -n hello --live -o table"),
    ],
)
@click.option("--live", is_flag=True, help="Ask the agent to look now, instead of telling what it saw last.")
@options.output
@options.extension
def objects(session: Session, path: str, *, live: bool) -> None:
    """List the Kubernetes objects of an extension with their health."""
    emit(list_objects(session, path, live=live), format=session.format, columns=OBJECT_COLUMNS)


@extension.verb(
    "diagnose",
    examples=[
        ("Say why an extension failed", "extensa extension diagnose -g demo -c demo -n hello"),
        ("Everything that was kept, for a program", "extensa extension diagnose -g demo -c demo -n hello -o json"),
        ("List all failures that are kept", "extensa extension diagnose -g demo -c demo -n hello --list -o table"),
    ],
)
@click.option("--id", "evidence_id", metavar="ID", default="", help="An earlier failure; --list shows which there are.")
@click.option("--list", "listing", is_flag=True, help="List the failures that are kept, the newest first.")
@click.option("--manifests", is_flag=True, help="Show what Helm rendered, too.")
@options.output
@options.extension
def diagnose(session: Session, path: str, *, evidence_id: str, listing: bool, manifests: bool) -> None:
    """Say why an extension failed: the cause, the next step, and what was seen then."""
    found = session.arm.get(path, API)
    listed = evidence.fetch_list(session.arm, path)
    if listing:
        emit(listed["value"], format=session.format, columns=evidence.COLUMNS)
        return
    kept = evidence.fetch(session.arm, path, evidence_id) if listed["value"] or evidence_id else None
    if session.asked_format in (None, "table"):
        click.echo(evidence.screen(found, listed, kept, manifests=manifests))
    else:
        whole = {"extension": found, "evidence": kept, "kept": listed["value"], "lost": listed.get("lost")}
        emit(whole, format=session.format, columns=(("Name", "extension.name"), ("Cause", "evidence.cause.code")))


def list_objects(session: Session, path: str, *, live: bool = False) -> list[Any]:
    """Return the objects of the extension at ``path`` with their health."""
    query = {"live": "true"} if live else {}
    answer = session.arm.post(f"{path}/listObjects", API, **query).body or {}
    return list(answer.get("value") or answer.get("objects") or ())


def _look(session: Session, path: str) -> Any:
    try:
        return session.arm.get(path, API)
    except NotFound:
        return None


def _reached(found: Any, *, deleted: bool, exists: bool) -> bool:
    """Say whether the wait is over; raises `OperationFailed` when what was waited for can no longer come."""
    if deleted:
        return found is None
    if exists:
        return found is not None
    state = found["properties"].get("provisioningState") if found else None
    if state in ("Failed", "Canceled"):
        raise from_operation(found["properties"].get("errorInfo"), status=state, target=found["id"])
    return state == "Succeeded"


for each in (*extension_control.VERBS, *extension_history.VERBS, *extension_orphans.VERBS):
    extension.add_command(each)
