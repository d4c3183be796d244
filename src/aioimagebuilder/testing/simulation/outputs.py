"""The AMIs of an image: their regions, accounts and names, with the service's variables replaced."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .clock import format_time
from .identifiers import make_ec2_id
from .plan import BuildPlan
from .state_history import Members

_VARIABLE = re.compile(r"\{\{\s*imagebuilder:(buildDate|buildVersion)\s*\}\}")
_ANY_VARIABLE = re.compile(r"\{\{.*?\}\}")


def find_name_error(name: str) -> str | None:
    """Return why the service refuses the name of the AMIs in a distribution, or ``None``.

    The first message is the service's, see https://github.com/hashicorp/terraform-provider-aws/issues/36610.
    """
    if "buildDate" not in _VARIABLE.findall(name):
        variable = "{{ imagebuilder:buildDate }}"
        return f"The EC2 AMI name must contain '{variable}' to ensure that the name will be unique."
    unknown = _ANY_VARIABLE.search(_VARIABLE.sub("", name))
    return f"The EC2 AMI name contains the unknown variable '{unknown[0]}'." if unknown else None


def replace_variables(text: str, plan: BuildPlan) -> str:
    """Replace ``{{imagebuilder:buildDate}}`` and ``{{imagebuilder:buildVersion}}``."""
    date, version = format_time(plan.created_at).replace(":", "-"), plan.image_arn.rpartition("/")[2]
    return _VARIABLE.sub(lambda match: date if match[1] == "buildDate" else version, text)


def list_amis(plan: BuildPlan, ami: str, regions: Iterable[str]) -> list[Members]:
    """Return the AMIs in some regions as in ``outputResources``.

    The home region has the AMI of the build. Every target account of a region gets a copy, and without target
    accounts the owner does.
    """
    amis = []
    for region in regions:
        settings = plan.distributions.get(region, {})
        targets = settings.get("targetAccountIds", ())
        owner = (plan.account_id,) if region == plan.home_region or not targets else ()
        amis += [_describe(plan, ami, region, account) for account in dict.fromkeys((*owner, *targets))]
    return amis


def _describe(plan: BuildPlan, ami: str, region: str, account: str) -> Members:
    is_original = (region, account) == (plan.home_region, plan.account_id)
    if is_original and plan.source_ami:
        return plan.source_ami
    settings = plan.distributions.get(region, {})
    name = settings.get("name", f"{plan.image_name} {{{{imagebuilder:buildDate}}}}")
    # Only the AMI in the build's region has the recipe's description by default.
    description = settings.get("description") or (plan.description if is_original else None)
    copy = make_ec2_id("ami-", ami, region, *(() if account == plan.account_id else (account,)))
    return {
        "region": region,
        "image": ami if is_original else copy,
        "name": replace_variables(name, plan),
        **({"description": description} if description else {}),
        "accountId": account,
    }
