package main

import (
	"time"
)

// parseInstant reads RFC 3339, "now", or a duration from now.
func parseInstant(flag, value string) (time.Time, error) {
	if value == "now" {
		return time.Now().UTC(), nil
	}
	if at, err := time.Parse(time.RFC3339, value); err == nil {
		return at.UTC(), nil
	}
	after, err := time.ParseDuration(value)
	if err != nil || after < 0 {
		return time.Time{}, usagef("--%s: %q is neither an instant such as 2030-01-31T08:00:00Z nor a duration such as 90s or 2h", flag, value)
	}
	return time.Now().Add(after).UTC().Truncate(time.Millisecond), nil
}

// optionalInstant is nil for a flag that was not given.
func optionalInstant(flag, value string) (*time.Time, error) {
	if value == "" {
		return nil, nil
	}
	at, err := parseInstant(flag, value)
	return &at, err
}
