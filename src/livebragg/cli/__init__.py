"""The ``livebragg`` command."""
