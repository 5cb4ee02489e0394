"""What decorated code pays for: `phase`, and the span that runs."""
