"""What can go wrong with a model, as one line for the user."""


class ModelError(Exception):
    """The artefact or its card cannot be used, or a model cannot be trained; the message says which file and what to do."""
