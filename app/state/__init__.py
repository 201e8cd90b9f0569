"""Everything a visit remembers: session state and URL parameters. No other folder spells their names."""
