"""What a publisher runs: taking in lists, building, calibrating, publishing."""
