"""Pure decisions: sizing, placement, routing. No I/O, no clock, no randomness."""
