"""The probe `mappings`: whose pages are resident."""
