"""Frame averaging: graphs, charged particles and normals of surfaces."""
