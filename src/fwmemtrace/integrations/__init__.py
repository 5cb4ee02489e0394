"""Integrations with other tools. Each is an extra: nothing else in this package imports it, or the tool."""
