"""Requests to the pipeline, one at a time and never waiting, and whether their answers can be used."""
