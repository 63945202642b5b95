"""Engines: each translates an engine-neutral plan into one kind of cloud."""
