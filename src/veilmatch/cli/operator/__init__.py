"""What an operator runs: the service, the worker, accounts, webhooks, the store."""
