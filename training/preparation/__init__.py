"""From a corpus as its owners give it away to annotation files that training reads."""
