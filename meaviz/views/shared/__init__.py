"""What several views need: small buttons, colours, pictures."""
