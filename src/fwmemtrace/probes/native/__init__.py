"""The probe `native`: a memray tracker, with phase markers in its capture."""
