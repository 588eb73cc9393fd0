"""What is known of each environment: properties, conditions on them, counts, neighbourhoods, alignment."""
