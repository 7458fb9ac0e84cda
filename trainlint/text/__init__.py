"""What a text is made of: its encoding, a notebook's magics and JSON, and bounds before parsing."""
