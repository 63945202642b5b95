"""The desired cloud: standards and site, compiled into engine-neutral resources."""

from wardstack.blueprint.compile import ImageInfo, compile_blueprint, read_public_key
from wardstack.blueprint.model import Blueprint

__all__ = ["Blueprint", "ImageInfo", "compile_blueprint", "read_public_key"]
