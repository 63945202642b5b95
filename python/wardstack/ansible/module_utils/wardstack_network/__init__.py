# Copyright (c) Wardstack contributors
# SPDX-License-Identifier: Apache-2.0
"""Bridges of a host by systemd-networkd: what the files say, and what the kernel has."""
