"""Rules a user sets, when they hold, and whom they tell."""
