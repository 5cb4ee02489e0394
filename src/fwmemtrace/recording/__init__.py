"""The session: joins probes and a sink, records what happens at the edges of phases, follows workers."""
