"""The `native` probe: a memray tracker, with markers of phases in its capture."""
