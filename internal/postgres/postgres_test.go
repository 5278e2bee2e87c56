package postgres

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

func TestServerAnswers(t *testing.T) {
	t.Parallel()
	c, err := pgx.Connect(t.Context(), Start(t))
	require.NoError(t, err)
	var answer int
	require.NoError(t, c.QueryRow(t.Context(), "SELECT 40 + 2").Scan(&answer))
	require.Equal(t, 42, answer)
	require.NoError(t, c.Close(t.Context()))
}
