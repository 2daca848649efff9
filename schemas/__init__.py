"""JSON Schemas of hfcheck's own output and of the files of a repository; installed as `hfcheck_schemas`."""
