"""Device maps and memory: what a load onto given devices would come to, by arithmetic."""
