"""The workflows of GitHub: whose code they run, what they may do, and what a release publishes."""

import re
from pathlib import Path

import pytest
import yaml

import lgi_former


ROOT = Path(lgi_former.__file__).parent
WORKFLOWS = {path.name: path for path in (ROOT / ".github" / "workflows").glob("*.yml")}

pytestmark = pytest.mark.skipif(not WORKFLOWS, reason="an installed package has no workflows")


def read(name):
    return yaml.safe_load(WORKFLOWS[name].read_text(encoding="utf-8"))


def steps_of(name):
    return [step for job in read(name)["jobs"].values() for step in job["steps"]]


def permissions_of(name):
    return {job: settings.get("permissions", {}) for job, settings in read(name)["jobs"].items()}


@pytest.mark.parametrize("name", sorted(WORKFLOWS))
def test_a_workflow_may_read_and_runs_pinned_actions(name):
    assert read(name)["permissions"] == {"contents": "read"}
    assert all(job["timeout-minutes"] <= 90 for job in read(name)["jobs"].values())
    for step in steps_of(name):
        if "uses" in step:
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step["uses"]), "pin the commit of the action"
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"] == {"persist-credentials": False}
        # Text of an event in a command would be a part of the command.
        assert "${{" not in step.get("run", "")
    # Each pinned commit has its version beside it.
    assert len(re.findall(r"@[0-9a-f]{40} # v\d", WORKFLOWS[name].read_text())) == sum(
        "uses" in s for s in steps_of(name)
    )


@pytest.mark.parametrize("name", sorted(WORKFLOWS.keys() - {"release.yml"}))
def test_only_a_release_may_write(name):
    assert set(map(str, permissions_of(name).values())) == {"{}"}


def test_a_release_is_published_without_a_password():
    assert permissions_of("release.yml") == {
        "build": {},
        "publish": {"id-token": "write"},
        "attach": {"contents": "write"},
    }
    (publish,) = (step for step in steps_of("release.yml") if "gh-action-pypi-publish" in step.get("uses", ""))
    assert publish["with"]["attestations"] is True and "password" not in publish["with"]
    assert "secrets." not in WORKFLOWS["release.yml"].read_text()
    # Code of other people runs in the first job, so that job must not be able to publish.
    runs = [
        step["run"]
        for job in ("publish", "attach")
        for step in read("release.yml")["jobs"][job]["steps"]
        if "run" in step
    ]
    assert runs == ['gh release upload "$TAG" files/*']


def test_a_release_has_an_sbom_and_hashes():
    commands = "\n".join(step.get("run", "") for step in steps_of("release.yml"))
    assert "cyclonedx-py environment" in commands and "sha256sum" in commands


def test_packages_are_audited_and_code_is_checked():
    assert any(step.get("run", "").startswith("pip-audit") for step in steps_of("security.yml"))
    (selected,) = re.findall(r"^select = (\[.+\])$", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert "S" in yaml.safe_load(selected)
    assert "ruff check ." in (ROOT / "README.md").read_text(), "`.ci/run` runs the commands of README.md"
