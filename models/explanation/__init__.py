"""Which places of a picture speak for an answer: of installed weights, with and without modules."""
