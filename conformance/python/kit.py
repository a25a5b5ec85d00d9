"""Reads a connection kit and the arguments that all exchange scripts share."""

import argparse
import configparser
import json
import pathlib


class Kit:
    """What `kit.json` says, with the files as full paths."""

    def __init__(self, folder):
        folder = pathlib.Path(folder)
        manifest = json.loads((folder / "kit.json").read_text())
        self.endpoint = manifest["endpoint"]
        self.region = manifest["region"]
        self.mqtt_port = manifest["mqtt_port"]
        self.alpn_port = manifest["alpn_port"]
        self.client_id = manifest["client_id"]
        self.root_ca = str(folder / manifest["root_ca"])
        self.certificate = str(folder / manifest["certificate"])
        self.private_key = str(folder / manifest["private_key"])


def arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("kit")
    parser.add_argument("--mqtt", choices=["3.1.1", "5"], required=True)
    parser.add_argument("--alpn", action="store_true", help="the port with ALPN x-amzn-mqtt-ca (A-6)")
    parser.add_argument("--websocket", type=int, metavar="PORT", help="MQTT over WebSocket on this port (A-9)")
    parser.add_argument("--sign", metavar="FILE", help="sign with the access key in this file instead of using the kit's certificate")
    parser.add_argument("--subscribe", default="esp32/sub")
    parser.add_argument("--publish", default="esp32/pub")
    parser.add_argument("--client-id", help="instead of the kit's")
    parsed = parser.parse_args()
    kit = Kit(parsed.kit)
    if parsed.client_id:
        kit.client_id = parsed.client_id
    return kit, parsed


def access_key(file):
    """Id and secret of the default profile of a shared credentials file."""
    parsed = configparser.ConfigParser()
    parsed.read(file)
    return parsed["default"]["aws_access_key_id"], parsed["default"]["aws_secret_access_key"]


ALPN = "x-amzn-mqtt-ca"
LIMIT = 30  # seconds for any one step
