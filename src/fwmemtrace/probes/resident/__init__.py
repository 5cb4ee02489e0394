"""The probe `resident`: what the operating system counts, over time and by the stack that made it rise."""
