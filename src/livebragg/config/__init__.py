"""Typed configuration: one frozen dataclass a section, loaded from TOML."""
