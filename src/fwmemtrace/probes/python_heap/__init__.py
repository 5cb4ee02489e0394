"""The probe `python_heap`: the Python heap by line, from tracemalloc."""
