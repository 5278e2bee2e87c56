//go:build !unix

package postgres

import "testing"

// Start skips the test: the server is started as another user, as only Unix can.
func Start(t testing.TB) (dsn string) {
	t.Helper()
	t.Skip("PostgreSQL is started for tests on Unix only")
	return ""
}
