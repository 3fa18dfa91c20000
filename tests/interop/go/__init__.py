"""Go implementations of the formats, asked for a second opinion."""
