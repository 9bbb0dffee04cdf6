"""What one viewer explores: boxes, a virtual detector, a position; what is asked for them, and what is shown."""
