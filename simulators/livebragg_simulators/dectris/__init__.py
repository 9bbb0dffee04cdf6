"""A simulated DECTRIS detector: its control unit, its REST interface, and its streams."""
