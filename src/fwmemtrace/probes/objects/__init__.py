"""The probe `objects`: a census of live objects around each phase."""
