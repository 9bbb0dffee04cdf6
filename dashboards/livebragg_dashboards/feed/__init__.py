"""What the feed has said, checked: the newest of everything, and a short history of its counters."""
