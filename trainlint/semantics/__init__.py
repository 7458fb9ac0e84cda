"""What a file says, in the field's words: tree, names, flow, values and the training script."""
