"""Standard documents: load, validate, and the parameters that they fix or bound."""
