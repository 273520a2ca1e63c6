"""The sample extension types that come with the product."""

from extensa.cli.demo import Say
from extensa.cli.session import Session


def publish_samples(session: Session, say: Say) -> None:
    """Publish what is missing."""
    del session, say
