"""The pages of the console, one module for each desk; each lists its doors."""
