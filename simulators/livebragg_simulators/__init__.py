"""Detector simulators."""
