"""What is told a user is one line, whatever names, paths and libraries put into it."""


def one_line(text: object) -> str:
    """As one line: control characters and line ends become spaces."""
    return " ".join("".join(char if char.isprintable() else " " for char in str(text)).split())
