"""What an update fetches: metadata through an updater of TUF, then files, then shards."""
