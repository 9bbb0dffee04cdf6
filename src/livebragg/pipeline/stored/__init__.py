"""Results files behind the same questions that a running pipeline answers."""
