"""The built-in rules, one module each; installed as `hfcheck_rules` and reached by id through `hfcheck.registry`."""
