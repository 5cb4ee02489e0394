"""A suite of components: profiles, what they share, and the decision matrix, all from the records of its processes."""
