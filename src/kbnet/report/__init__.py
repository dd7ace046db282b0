"""Display of results: pictures, HTML page, films, viewer, point clouds and fused surfaces."""
