"""Programs that the server starts for itself: readers of finished scans, and the watch over alerts."""
