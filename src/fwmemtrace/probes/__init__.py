"""The instruments: each measures one thing at phase edges or all along, and emits records."""
