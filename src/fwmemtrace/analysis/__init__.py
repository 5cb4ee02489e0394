"""Records to results: pure functions and accumulators, with no file and no formatting in them."""
