"""What runs beside pictures: the client, hosts that play it, hashing, painted pictures."""
