"""A simulated Merlin: its command socket, and its data stream."""
