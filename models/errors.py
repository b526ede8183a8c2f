"""The errors of models and of recordings; each message is one line for the user."""


class ModelError(Exception):
    """The artefact or its card cannot be used, or a model cannot be trained; the message says which file and what to do."""


class RecordingError(Exception):
    """A file that cannot be read as a recording, or not be written; the message names the file, the line and the column."""
