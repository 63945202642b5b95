"""Wardstack: standards in, cloud out, evidence back."""
