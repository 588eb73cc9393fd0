"""What results look like: a few lines of text, and for notebooks a card with tables and pictures."""
