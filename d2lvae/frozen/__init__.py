"""Small networks, trained once and kept: what scores, and what chapters begin with."""
