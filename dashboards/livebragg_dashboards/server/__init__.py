"""What happens when a page is opened: login, the document, and the session that keeps it up to date."""
