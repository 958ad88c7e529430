"""The pages of docs/reference, each made from declarations, docstrings or the command line."""
