"""What a cluster says of its NFS volumes, asked with the user's own kubectl: nothing is changed, no Secret is read."""
