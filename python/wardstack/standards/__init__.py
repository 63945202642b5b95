"""Standard documents: load, validate, and the parameters that they fix or bound."""


class DocumentErrors(Exception):
    """Every problem of the documents at once."""
