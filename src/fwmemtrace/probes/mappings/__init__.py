"""The probe `mappings`: who owns the resident pages."""
