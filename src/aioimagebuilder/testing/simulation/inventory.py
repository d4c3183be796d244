"""What Systems Manager Inventory finds on an instance: the version of its system, and its packages."""

from __future__ import annotations

OS_VERSIONS = {
    "Linux": "Amazon Linux 2023",
    "Windows": "Microsoft Windows Server 2022",
    "macOS": "macOS 15",
}
"""The version of the operating system by platform."""

PACKAGES = {
    "Linux": {"amazon-ssm-agent": "3.3.1611.0", "bash": "5.2.15", "glibc": "2.34", "openssl": "3.2.2"},
    "Windows": {"AWS PV Drivers": "8.5.0", "Amazon SSM Agent": "3.3.1611.0", "EC2Launch": "2.0.2107.0"},
    "macOS": {"amazon-ssm-agent": "3.3.1611.0", "ec2-macos-init": "1.5.11"},
}
"""Versions of the packages by name, by platform."""
