"""The coordinator's controller: schedule, rooms, floor, fleet state."""
