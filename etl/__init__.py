"""The wing that writes releases: sources are read, cleaned, mapped, validated and laid down in a release folder."""
