"""Reads memray's captures: records, stacks and libraries, cut by phase."""
