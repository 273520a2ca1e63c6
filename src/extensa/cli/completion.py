"""`extensa completion`: the script that teaches a shell to complete commands and flags."""

import click

from extensa.cli.grammar import CONTEXT, Command


@click.command(
    cls=Command,
    context_settings=CONTEXT,
    examples=[
        ("For this shell", 'eval "$(extensa completion bash)"'),
        ("For every bash to come", "extensa completion bash >> ~/.bashrc"),
        ("For fish", "extensa completion fish > ~/.config/fish/completions/extensa.fish"),
    ],
)
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
@click.pass_context
def completion(ctx: click.Context, /, shell: str) -> None:
    """Print the completion script for SHELL."""
    from click.shell_completion import get_completion_class

    chosen = get_completion_class(shell)
    if chosen is None:  # pragma: no cover - click knows the three
        raise click.UsageError(f"No completion for {shell}.")
    script = chosen(ctx.find_root().command, {}, "extensa", "_EXTENSA_COMPLETE")
    click.echo(script.source_template % script.source_vars())
