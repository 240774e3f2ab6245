"""The store: an OCI image layout on disk that is cache and output in one, and its gate."""
