"""The desired cloud: standards and site, compiled into engine-neutral resources."""
