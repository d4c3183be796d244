"""The outputs of images in moto's EC2 and Parameter Store.

An AMI exists from the end of the step that creates it, its copies and parameters from the end of the build.
They are written before the next call of a service that shows them, in the order of their times, since moto's
EC2 takes a second to import.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from moto.backends import get_backend
from moto.core.exceptions import ServiceException

from ..simulation.clock import format_time
from ..simulation.identifiers import make_ec2_id
from ..simulation.images import Image
from ..simulation.lifecycle_runs import LifecycleRun
from ..simulation.outputs import find_name_error, list_amis, replace_variables
from ..simulation.plan import BuildPlan
from ..simulation.state_history import Members
from .errors import invalid_value
from .models import ImageBuilderBackend, SharedState

if TYPE_CHECKING:
    from moto.ec2.models import EC2Backend
    from moto.ssm.models import SimpleSystemManagerBackend

SERVICES: Mapping[str, str] = {"ec2": "ec2", "ssm": "ssm", "resource-groups-tagging-api": "tagging"}
"""Services that show outputs: their names in botocore's events and in signatures."""

_GRANTEES = {
    "userIds": "UserId",
    "userGroups": "Group",
    "organizationArns": "OrganizationArn",
    "organizationalUnitArns": "OrganizationalUnitArn",
}


def schedule_amis(backend: ImageBuilderBackend, image: Image, plan: BuildPlan) -> None:
    """Publish each AMI at the end of the step that creates it."""

    def publish(at: float, ami: str) -> None:
        # A build that was cancelled or resumed meanwhile has another timeline.
        if (at, ami) in image.latest_run.timeline.amis:
            [home, *_] = list_amis(plan, ami, plan.regions)
            backend.shared.outputs.append(partial(_register_ami, image, plan, home, at))

    for at, ami in image.latest_run.timeline.amis:
        if at > backend.now():
            backend.shared.agenda.schedule(at, partial(publish, at, ami))


def publish_outputs(backend: ImageBuilderBackend, image: Image, plan: BuildPlan, at: float) -> None:
    """Publish the copies of a finished image, and the parameters if it is AVAILABLE."""
    view = image.view(at)
    amis = view.get("outputResources", {}).get("amis", ())
    existing = {ami for _, ami in image.latest_run.timeline.amis}
    for ami in amis:
        if ami["image"] not in existing and ami is not plan.source_ami:
            backend.shared.outputs.append(partial(_register_ami, image, plan, ami, at))
    if view["state"]["status"] == "AVAILABLE":
        backend.shared.outputs.append(partial(_put_parameters, plan, amis))


def publish_update(backend: ImageBuilderBackend, run: LifecycleRun, image_arn: str) -> None:
    """Publish what a lifecycle execution did to the AMIs of an image, unless it failed or was cancelled."""
    for resource in (history.states[-1] for history in run.resources[image_arn][1:]):
        if resource["state"]["status"] == "SUCCESS" and resource["resourceId"].startswith("ami-"):
            backend.shared.outputs.append(partial(_update_ami, resource))


def write_due_outputs(shared: SharedState) -> None:
    """Write everything that was published to moto's EC2 and Parameter Store."""
    while shared.outputs:
        shared.outputs.popleft()()


def find_distribution_errors(account_id: str, distribution: Members) -> Iterator[tuple[str, str]]:
    """Yield (member, message) for everything in a distribution that the service refuses."""
    settings = distribution.get("amiDistributionConfiguration", {})
    accounts = {account_id, *settings.get("targetAccountIds", ())}
    error = find_name_error(settings["name"]) if "name" in settings else None
    if error:
        yield "amiDistributionConfiguration.name", error
    if set(settings.get("launchPermission", {}).get("userGroups", ())) - {"all"}:
        yield "amiDistributionConfiguration.launchPermission.userGroups", "The only supported group is 'all'."
    for index, parameter in enumerate(distribution.get("ssmParameterConfigurations", ())):
        from moto.ssm.models import SimpleSystemManagerBackend  # noqa: PLC0415

        member = f"ssmParameterConfigurations[{index}]"
        if parameter.get("amiAccountId", account_id) not in accounts:
            yield f"{member}.amiAccountId", "The account is not a target account of the distribution."
        try:
            _put_parameter(SimpleSystemManagerBackend("us-east-1", account_id), parameter, "ami-00000000")
        except ServiceException as refusal:
            yield f"{member}.parameterName", refusal.message


def find_ami(backend: ImageBuilderBackend, source: str) -> Members:
    """Return the AMI that an AMI id, or a parameter as ``ssm:<name>``, names, as in ``outputResources``.

    Raises:
        ServiceError: The source names no AMI (InvalidParameterValueException).
    """
    account, region, ami = backend.account_id, backend.region_name, source
    if source.startswith("ssm:"):
        write_due_outputs(backend.shared)
        with contextlib.suppress(ServiceException, KeyError):
            parameter = get_backend("ssm")[account][region].get_parameter(source.removeprefix("ssm:"))
            ami = parameter.value if parameter else source
    if not re.fullmatch("ami-[0-9a-z]+", ami):
        raise invalid_value("sourceImage", f"It names no AMI in region {region}.")
    return {"region": region, "image": ami, "name": ami, "accountId": account}


def _get_ec2(account: str, region: str) -> EC2Backend | None:
    """Return moto's EC2 of an account in a region, or ``None`` if moto does not know the region."""
    backends = get_backend("ec2")[account]
    if region not in backends:
        return None
    return backends[region]


def _register_ami(image: Image, plan: BuildPlan, ami: Members, at: float) -> None:
    from moto.ec2.models.amis import Ami  # noqa: PLC0415

    ec2, settings = _get_ec2(ami["accountId"], ami["region"]), plan.distributions.get(ami["region"], {})
    if ec2 is None:
        return
    created_at = datetime.fromtimestamp(at, UTC).replace(tzinfo=None)
    ec2.amis[ami["image"]] = registered = Ami(
        ec2,
        ami["image"],
        name=ami["name"],
        description=ami.get("description"),
        architecture="x86_64",
        virtualization_type="hvm",
        platform="windows" if image.static["platform"] == "Windows" else None,
        root_device_type="ebs",
        creation_date=created_at,
    )
    # moto chooses a random id for the snapshot, but lifecycle executions derive it from that of the AMI.
    snapshot = ec2.snapshots.pop(registered.ebs_snapshot.id)
    snapshot.id, snapshot.start_time = make_ec2_id("snap-", registered.id), created_at
    # Distribution encrypts only copies; the build's own AMI is encrypted as the recipe says (user guide).
    is_copy = (ami["region"], ami["accountId"]) != (plan.home_region, plan.account_id)
    snapshot.kms_key_id = settings.get("kmsKeyId") if is_copy else None
    snapshot.encrypted = snapshot.kms_key_id is not None
    ec2.snapshots[snapshot.id] = snapshot
    tags = {name: replace_variables(tag, plan) for name, tag in settings.get("amiTags", {}).items()}
    for identifier in (registered.id, snapshot.id):
        ec2.tags[identifier] = {**tags, "CreatedBy": "EC2 Image Builder", "Ec2ImageBuilderArn": image.arn}
    permissions = settings.get("launchPermission", {})
    granted = [{_GRANTEES[member]: each} for member, values in permissions.items() for each in values]
    ec2.modify_image_attribute(registered.id, granted, [])


def _put_parameters(plan: BuildPlan, amis: Sequence[Members]) -> None:
    for region, settings in plan.distributions.items():
        in_region = [ami for ami in amis if ami["region"] == region]
        for parameter in settings.get("ssmParameterConfigurations", ()):
            account = parameter.get("amiAccountId", plan.account_id)
            owned = [ami for ami in in_region if ami["accountId"] == account] or in_region
            backends = get_backend("ssm")[account]
            if region in backends:
                _put_parameter(backends[region], parameter, owned[0]["image"])


def _put_parameter(ssm: SimpleSystemManagerBackend, parameter: Members, ami: str) -> None:
    name, kind = parameter["parameterName"], parameter.get("dataType", "text")
    ssm.put_parameter(name, "", ami, "String", "", "", True, [], kind, tier=None, policies=None)


def _update_ami(resource: Members) -> None:
    ec2, ami = _get_ec2(resource["accountId"], resource["region"]), resource["resourceId"]
    if ec2 is None or ami not in ec2.amis:
        return
    match resource["action"]["name"]:
        case "DELETE":
            ec2.deregister_image(ami)
            for snapshot in resource.get("snapshots", ()):
                ec2.snapshots.pop(snapshot["snapshotId"], None)
        case "DEPRECATE":
            ec2.amis[ami].deprecation_time = format_time(resource["endTime"])  # type: ignore[attr-defined]
        case "DISABLE":
            ec2.disable_image(ami)
        case "AVAILABLE":
            ec2.enable_image(ami)
            ec2.amis[ami].deprecation_time = None  # type: ignore[attr-defined]
