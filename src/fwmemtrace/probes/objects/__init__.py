"""The probe `objects`: a census of live Python objects around each phase."""
