"""Faults on purpose: of the network, of the detector, of its operator."""
