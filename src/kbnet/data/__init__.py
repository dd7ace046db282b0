"""From files, recordings and renderings to frames: codecs, the native sequence layout, sampling, interpolation."""
