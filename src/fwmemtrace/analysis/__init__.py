"""Records to results: folds and pure functions, without files and without text for people.

`process_analysis` folds the records of one process, `summary` merges the processes of a trace.
"""
