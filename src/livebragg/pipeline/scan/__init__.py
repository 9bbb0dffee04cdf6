"""One scan on the analyst's side: its analysis, what runs beside it, and what it publishes and writes."""
