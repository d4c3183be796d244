"""Vulnerability scans: their states, their findings and aggregations, and the packages of images."""

from __future__ import annotations

import pytest

from aioimagebuilder.testing import BuildScript, ScanFinding, ScanScript, StepScript
from simulator.support import get_status, get_steps, list_executions, raises_error

FINDINGS = (
    ScanFinding(vulnerability_id="CVE-2025-1", severity="CRITICAL", package="openssl", fixed_in="3.2.3"),
    ScanFinding(vulnerability_id="CVE-2025-2", severity="HIGH", package="bash"),
    ScanFinding(vulnerability_id="CVE-2025-3", severity="LOW", package="sudo", description="A flaw."),
)
STEP = "CollectImageScanFindings"


def start_scanned_build(client, simulator, name="demo", script=None, **options):
    if script is not None:
        simulator.script(script)
    pipeline = client.get_image_pipeline(imagePipelineArn=simulator.create_pipeline(name, **options))
    members = ("arn", "imageRecipeArn", "containerRecipeArn", "infrastructureConfigurationArn")
    settings = {member: value for member, value in pipeline["imagePipeline"].items() if member in members}
    arn = settings.pop("arn")
    scanning = {"imageScanningConfiguration": {"imageScanningEnabled": True}}
    tests = {"imageTestsConfiguration": pipeline["imagePipeline"]["imageTestsConfiguration"]}
    client.update_image_pipeline(imagePipelineArn=arn, **settings, **scanning, **tests)
    return simulator.start_build(arn)


def follow_scan(client, simulator, image):
    """Return the changes of (status of the image, status of its scan) until the image is finished."""
    found = []
    for _ in range(400):
        row = client.get_image(imageBuildVersionArn=image)["image"]
        state = (row["state"]["status"], row.get("scanState", {}).get("status"))
        if state not in found:
            found.append(state)
        simulator.advance(5)
    return found


def get_scan_state(client, image):
    return client.get_image(imageBuildVersionArn=image)["image"]["scanState"]


@pytest.mark.parametrize("container", [False, True])
def test_scan_takes_its_states_while_its_step_runs(client, simulator, container):
    image = start_scanned_build(client, simulator, container=container)
    expected = [
        ("PENDING", "PENDING"),
        ("BUILDING", "PENDING"),
        ("TESTING", "PENDING"),
        ("TESTING", "SCANNING"),
        ("TESTING", "COLLECTING"),
        ("TESTING", "COMPLETED"),
        ("AVAILABLE", "COMPLETED"),
    ]
    states = follow_scan(client, simulator, image)
    assert [state for state in states if state[0] not in ("CREATING", "DISTRIBUTING")] == expected


def test_image_without_scanning_has_no_scan_state(client, built):
    assert "scanState" not in client.get_image(imageBuildVersionArn=built)["image"]
    assert client.list_image_scan_findings()["findings"] == []


@pytest.mark.parametrize(
    ("script", "status", "step"),
    [
        (BuildScript(scan=ScanScript(status="FAILED", reason="no agent")), "FAILED", "FAILED"),
        (BuildScript(scan=ScanScript(status="TIMED_OUT")), "TIMED_OUT", "FAILED"),
        (BuildScript(scan=ScanScript(status="ABANDONED")), "ABANDONED", "FAILED"),
        (BuildScript(steps={STEP: StepScript(status="FAILED")}), "FAILED", "FAILED"),
        (BuildScript(steps={STEP: StepScript(duration=9000)}), "TIMED_OUT", "FAILED"),
        (
            BuildScript(scan=ScanScript(status="FAILED"), steps={STEP: StepScript(status="COMPLETED")}),
            "FAILED",
            "COMPLETED",
        ),
    ],
)
def test_unsuccessful_scan_has_no_findings(client, simulator, script, status, step):
    image = start_scanned_build(client, simulator, script=script)
    simulator.advance(20_000)
    assert get_scan_state(client, image)["status"] == status
    workflow = next(row for row in list_executions(client, image) if row["type"] == "TEST")
    row = get_steps(client, workflow["workflowExecutionId"])[STEP]
    assert row["status"] == step
    assert get_status(client, image) == "AVAILABLE"
    if script.scan and script.scan.reason:
        assert get_scan_state(client, image)["reason"] == row["message"] == "no agent"


@pytest.mark.parametrize(
    ("script", "options"),
    [
        (BuildScript(early_failure="no role"), {}),
        (BuildScript.failing_step("RunSanitizeScript"), {}),
        (BuildScript.failing_step("LaunchTestInstance"), {}),
        (BuildScript(), {"tests": False}),
    ],
)
def test_scan_is_abandoned_with_its_image(client, simulator, script, options):
    image = start_scanned_build(client, simulator, script=script, **options)
    simulator.advance(20_000)
    assert get_scan_state(client, image)["status"] == "ABANDONED"


def test_cancelled_image_abandons_its_scan(client, simulator):
    image = start_scanned_build(client, simulator, script=BuildScript(scan=ScanScript(findings=FINDINGS)))
    while get_scan_state(client, image)["status"] != "SCANNING":
        simulator.advance(5)
    client.cancel_image_creation(imageBuildVersionArn=image)
    simulator.advance(3600)
    assert get_scan_state(client, image)["status"] == "ABANDONED"
    assert client.list_image_scan_findings()["findings"] == []


def test_retry_scans_again_only_from_the_test_stage(client, simulator):
    script = BuildScript.failing_step("ApplyTestComponents", scan=ScanScript(findings=FINDINGS))
    image = start_scanned_build(client, simulator, script=script)
    simulator.advance(7200)
    assert get_scan_state(client, image)["status"] == "COMPLETED"
    simulator.script(BuildScript(failed_regions={"us-east-1": "no room"}, scan=ScanScript(status="FAILED")))
    client.retry_image(imageBuildVersionArn=image)
    assert get_scan_state(client, image)["status"] == "PENDING"
    simulator.advance(7200)
    assert (get_status(client, image), get_scan_state(client, image)["status"]) == ("FAILED", "FAILED")
    client.retry_image(imageBuildVersionArn=image)
    simulator.advance(7200)
    assert (get_status(client, image), get_scan_state(client, image)["status"]) == ("AVAILABLE", "FAILED")


def test_findings_appear_when_scan_completes(client, simulator):
    image = start_scanned_build(client, simulator, script=BuildScript(scan=ScanScript(findings=FINDINGS)))
    while get_scan_state(client, image)["status"] != "COMPLETED":
        assert client.list_image_scan_findings()["findings"] == []
        simulator.advance(5)
    first, second, third = client.list_image_scan_findings()["findings"]
    pipeline = client.get_image(imageBuildVersionArn=image)["image"]["sourcePipelineArn"]
    assert (first["imageBuildVersionArn"], first["imagePipelineArn"]) == (image, pipeline)
    assert (first["severity"], first["fixAvailable"], second["fixAvailable"]) == ("CRITICAL", "YES", "NO")
    assert first["packageVulnerabilityDetails"] == {
        "vulnerabilityId": "CVE-2025-1",
        "vulnerablePackages": [{"name": "openssl", "version": "3.0.8", "fixedInVersion": "3.2.3"}],
    }
    assert third["description"] == "A flaw."
    timeline = simulator.control.backend("123456789012", "us-east-1").images[image].latest_run.timeline
    assert timeline.scan.completed_at == pytest.approx(first["firstObservedAt"].timestamp(), abs=0.01)
    assert timeline.scan.severity_counts == {"all": 3, "critical": 1, "high": 1, "medium": 0}
    workflow = next(row for row in list_executions(client, image) if row["type"] == "TEST")
    steps = get_steps(client, workflow["workflowExecutionId"])
    assert timeline.scan.resource_id in steps["LaunchTestInstance"]["outputs"]


def test_findings_are_filtered_aggregated_and_paged(client, simulator):
    script = BuildScript(scan=ScanScript(findings=FINDINGS))
    images = [start_scanned_build(client, simulator, name, script) for name in ("red", "blue")]
    simulator.advance(7200)
    pipeline = client.get_image(imageBuildVersionArn=images[1])["image"]["sourcePipelineArn"]
    counts = {"all": 3, "critical": 1, "high": 1, "medium": 0}
    for name, value, found, key, expected in (
        ("imageBuildVersionArn", images[0], 3, "imageAggregation", counts),
        ("imagePipelineArn", pipeline, 3, "imagePipelineAggregation", counts),
        ("vulnerabilityId", "CVE-2025-3", 2, "vulnerabilityIdAggregation", {"all": 2, "critical": 0}),
    ):
        wanted = {"name": name, "values": [value]}
        assert len(client.list_image_scan_findings(filters=[wanted])["findings"]) == found
        response = client.list_image_scan_finding_aggregations(filter=wanted)
        assert response["aggregationType"] == name
        [row] = response["responses"]
        assert row[key][name] == value
        assert row[key]["severityCounts"].items() >= expected.items()
    severe = [{"name": "severity", "values": ["HIGH"]}]
    rows = client.list_image_scan_findings(filters=severe)["findings"]
    assert [row["packageVulnerabilityDetails"]["vulnerabilityId"] for row in rows] == ["CVE-2025-2"] * 2
    response = client.list_image_scan_finding_aggregations()
    assert response["aggregationType"] == "accountId"
    assert response["responses"] == [
        {
            "accountAggregation": {
                "accountId": "123456789012",
                "severityCounts": {"all": 6, "critical": 2, "high": 2, "medium": 0},
            }
        }
    ]
    pages = list(client.get_paginator("list_image_scan_findings").paginate(PaginationConfig={"PageSize": 4}))
    assert [len(page["findings"]) for page in pages] == [4, 2]


def test_packages_are_known_when_image_is_built(client, simulator):
    for script, expected in (
        (None, "amazon-ssm-agent"),
        (BuildScript(packages={"nginx": "1.28.0"}), "nginx"),
    ):
        if script:
            simulator.script(script)
        image = simulator.start_build(simulator.create_pipeline(expected))
        assert client.list_image_packages(imageBuildVersionArn=image)["imagePackageList"] == []
        simulator.advance(3600)
        rows = client.list_image_packages(imageBuildVersionArn=image)["imagePackageList"]
        assert rows[0]["packageName"] == expected
        assert all(row["packageVersion"] for row in rows)
    assert rows == [{"packageName": "nginx", "packageVersion": "1.28.0"}]


def test_packages_require_existing_image(client):
    with raises_error("ResourceNotFoundException", 404):
        client.list_image_packages(
            imageBuildVersionArn="arn:aws:imagebuilder:us-east-1:123456789012:image/no/1.0.0/1"
        )


@pytest.mark.parametrize(
    "members",
    [
        {"severity": "SEVERE"},
        {"vulnerability_id": ""},
        {"package": 1},
        {"description": ""},
        {"score": 1},
    ],
)
def test_invalid_finding_is_refused(members):
    with pytest.raises((TypeError, ValueError)):
        BuildScript(scan={"findings": [{"vulnerability_id": "CVE-1", **members}]})


@pytest.mark.parametrize(
    "scan", [{"status": "SCANNING"}, {"findings": 1}, {"findings": [1]}, {"reason": ""}, 1]
)
def test_invalid_scan_is_refused(scan):
    with pytest.raises((TypeError, ValueError)):
        BuildScript(scan=scan)
