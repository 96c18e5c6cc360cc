"""What a mesh is, and what must hold in one. No Pulumi, no network."""
