"""Pure rules of the controller: no I/O, no clock, no chance."""
