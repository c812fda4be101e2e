"""Pure rules of the unit: no I/O, no clock, no chance; time comes in as an argument."""
