"""The way through libcst, for texts that this Python cannot read; nothing else imports libcst."""
