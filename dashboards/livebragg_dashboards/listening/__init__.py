"""The threads that listen to pipelines for all sessions, and who may act on each."""
