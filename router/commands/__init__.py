"""The commands by group: parse, call, print. What is heavy is imported when a command runs, so that help is quick."""
