"""What people look at: pictures of images, sparse points, depth and errors."""
