"""A fleet: the traces of many processes on many machines as a Parquet dataset, and questions to it.

`rows` makes tables of traces, `dataset` keeps them, `questions` are written once, `engines` answer them.
"""
