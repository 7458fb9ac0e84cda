"""What an audit looks at beside the rules; each module is one inspection, found by a walk.

An inspection is a rule that only verifies, and it sees ``trainlint.api`` as rules do.
"""
