"""One thin entry for each rule: parse, call the library, write."""
