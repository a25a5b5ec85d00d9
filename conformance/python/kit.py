"""What a cloud gives to tools."""

import configparser


def access_key(file):
    """Id and secret of the default profile of a shared credentials file."""
    parsed = configparser.ConfigParser()
    parsed.read(file)
    return parsed["default"]["aws_access_key_id"], parsed["default"]["aws_secret_access_key"]
