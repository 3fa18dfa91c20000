"""Work on what the store holds: match segments, open accounts. Holds alpha; no other role does."""
