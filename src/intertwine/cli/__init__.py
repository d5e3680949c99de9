"""The command line; its verbs import the library only when they run."""
