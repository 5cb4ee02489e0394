"""What decorated code pays for: `phase`, and the spans that it makes."""
