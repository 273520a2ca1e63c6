"""What Helm leaves is removed by name, finalizers go only when asked, and a record is set aside with its content."""

from pathlib import Path

from extensa.helm.cleaning import LABEL_ASIDE, clean, drop_aside, set_aside
from extensa.helm.look import inventories, remains, search
from extensa.helm.release import LABEL_OWNER, Inventory, ObjectRef, read_revision
from unit.agent.doubles import FakeApi, FakeHelm
from unit.helm.test_helm_driver import place

MAP = ObjectRef("v1", "ConfigMap", "ns", "a")
JOB = ObjectRef("batch/v1", "Job", "ns", "hook")
CRD = ObjectRef("apiextensions.k8s.io/v1", "CustomResourceDefinition", "ns", "widgets.e.x")
OURS = {"meta.helm.sh/release-name": "r", "meta.helm.sh/release-namespace": "ns"}
THEIRS = {"meta.helm.sh/release-name": "other", "meta.helm.sh/release-namespace": "ns"}


async def test_what_is_not_going_is_deleted_and_what_is_held_is_left() -> None:
    api = FakeApi()
    api.put("ConfigMap", "a")
    api.put("ConfigMap", "b", deletionTimestamp="now", finalizers=["x/y"])
    held = ObjectRef("v1", "ConfigMap", "ns", "b")
    await clean(api, [MAP, held, JOB], remove_finalizers=False)
    assert ["b"] == api.names("ConfigMap")
    await clean(api, [held], remove_finalizers=True)

    assert [] == api.names("ConfigMap")


async def test_a_definition_is_freed_by_freeing_its_instances() -> None:
    api = FakeApi()
    spec = {"group": "e.x", "names": {"kind": "Widget"}, "versions": [{"name": "v1", "served": True}]}
    api.put("CustomResourceDefinition", "widgets.e.x", deletionTimestamp="now", finalizers=["customresourcecleanup"])
    api.objects["CustomResourceDefinition", "ns", "widgets.e.x"]["spec"] = spec
    api.put("Widget", "held", namespace="", deletionTimestamp="now", finalizers=["a/b"])
    api.put("Widget", "free", namespace="")
    await clean(api, [CRD], remove_finalizers=True)

    assert (["free"], ["widgets.e.x"]) == (api.names("Widget"), api.names("CustomResourceDefinition"))


async def test_a_record_is_set_aside_with_its_content_and_dropped_in_the_end() -> None:
    api = FakeApi()
    name = "sh.helm.release.v1.r.v3"
    api.put("Secret", name, data={"release": "rubbish"}, labels={"owner": "helm"})
    for _ in range(2):  # once more does no harm
        await set_aside(api, "ns", name, "owner-mark")
    [(_, _, kept)] = api.objects
    found = api.objects["Secret", "ns", kept]

    assert (f"extensa.aside.{name}", {"release": "rubbish"}) == (kept, found["data"])
    assert {LABEL_ASIDE, LABEL_OWNER} == set(found["metadata"]["labels"])
    api.put("Secret", "another", labels={LABEL_OWNER: "owner-mark"})
    await drop_aside(api, "ns", "owner-mark")
    assert ["another"] == api.names("Secret")


async def test_what_a_hook_left_is_the_releases_unless_another_says_it_is_its() -> None:
    api = FakeApi()
    api.put("Job", "hook")
    leaving = Inventory(hooks=(JOB,), crds=(CRD,))
    api.put("CustomResourceDefinition", "widgets.e.x")

    assert [JOB] == [seen.ref for seen in await remains(api, "r", "ns", leaving)]
    assert [JOB, CRD] == [seen.ref for seen in await remains(api, "r", "ns", leaving, crds=True)]
    api.put("Job", "hook", annotations=THEIRS)
    assert () == await remains(api, "r", "ns", leaving)


async def test_without_a_record_everything_is_searched_for() -> None:
    api = FakeApi()
    marked = {"labels": {"app.kubernetes.io/managed-by": "Helm"}}
    api.put("ConfigMap", "a", namespace="", annotations=OURS, **marked)
    api.put("ConfigMap", "b", namespace="", annotations=THEIRS, **marked)
    api.put("ConfigMap", "c", namespace="", annotations={**OURS, "helm.sh/resource-policy": "keep"}, **marked)
    api.put("Deployment", "d", namespace="", annotations=OURS)

    assert ["a"] == [ref.name for ref in (await search(api, "r", "ns")).objects]


async def test_what_any_revision_brought_is_known_and_one_that_cannot_be_read_adds_nothing() -> None:
    api = FakeApi()
    helm, here = FakeHelm(api), place(Path("/"))
    helm.record(here, 1, "superseded")
    helm.record(here, 2, "failed")
    revisions = [read_revision(each["metadata"]) for each in await api.list("v1", "Secret", "ns")]
    api.objects["Secret", "ns", "sh.helm.release.v1.r.v1"]["data"] = {"release": "rubbish"}
    whole = await inventories(api, "ns", [each for each in revisions if each is not None])

    assert {"Deployment", "ConfigMap"} == {ref.kind for ref in whole.objects}
    assert whole == whole | whole == whole | Inventory()
