"""Reads captures of memray, split by phase: their records, stacks and libraries."""
