"""The whole lab, end to end, by the commands a person types."""
