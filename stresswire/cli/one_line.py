"""Messages to the user on one line."""


def one_line(text: object) -> str:
    """Return the text on one line: runs of white space and control characters become one space."""
    return " ".join("".join(char if char.isprintable() else " " for char in str(text)).split())
