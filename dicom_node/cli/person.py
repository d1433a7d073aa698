"""Who runs a command."""

import os
import pwd


def operating_user() -> str:
    """Return who runs this command, from the system: no variable of the environment changes it."""
    try:
        return f"user:{pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:
        return f"user:{os.getuid()}"
