"""Whether hfcheck says what the real loader does: tiny models, damaged in many ways, given to both."""
