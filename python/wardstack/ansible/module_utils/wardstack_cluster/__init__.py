# Copyright (c) Wardstack contributors
# SPDX-License-Identifier: Apache-2.0
"""Membership, properties and fencing of a Corosync and Pacemaker cluster."""
