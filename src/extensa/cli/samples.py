"""The sample extension types that come with the product, published like anyone's types.

What is there already is left alone, so that a second `extensa up` changes nothing.
"""

from extensa.cli.demo import Say
from extensa.cli.publishing import ensure_type, published_versions, upload_version
from extensa.cli.session import Session
from extensa.client.chart import load_chart
from extensa.client.type_list import read_types, samples_folder


def publish_samples(session: Session, say: Say) -> None:
    """Publish every sample version that is missing; raises `Refused` when the samples are not where they should be."""
    for listed in read_types(samples_folder()):
        present = published_versions(session, listed.name)
        missing = [version for version in listed.versions if version.version not in present]
        if missing and not present:
            ensure_type(session, listed.name, listed.properties)
        for version in missing:
            say(f"publishing {listed.name} {version.version}")
            archive = load_chart(version.chart).archive
            upload_version(session, listed.name, version.version, archive, trains=version.trains)
