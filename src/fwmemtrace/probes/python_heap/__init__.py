"""The probe `python_heap`: what tracemalloc holds against each line."""
