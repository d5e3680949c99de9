"""From labelled structures to a trained potential."""
