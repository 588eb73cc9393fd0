"""Long work off the event loop: from a click to a result assigned to the session."""
