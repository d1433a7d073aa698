"""The words of the node as values and enumerations; standard library only."""
