"""What a session does while it is on: phases become records, probes are called, a sink is written."""
