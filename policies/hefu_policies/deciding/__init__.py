"""From a policy and facts to a decision with its reasons. Pure."""
