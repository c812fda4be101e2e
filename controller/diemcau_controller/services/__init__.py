"""What runs in the background of the controller: each service a named, supervised task."""
