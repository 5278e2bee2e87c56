package services

import (
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"
)

func TestOnlyWhatTheFileSetsCanBeDifferent(t *testing.T) {
	t.Parallel()
	value := "5432"
	var service types.ServiceConfig
	service.Environment = types.MappingWithEquals{"DB_PORT": &value}
	c := Compose{Project: &types.Project{Services: types.Services{
		"temporal": service,
	}}}
	environment, err := c.Environment("temporal", map[string]string{"DB_PORT": "1"})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"DB_PORT": "1"}, environment)
	_, err = c.Environment("temporal", map[string]string{"DB_PROT": "1"})
	require.EqualError(t, err, "docker-compose.yml: service temporal does not set DB_PROT")
}

func TestNewestPostgresIsTaken(t *testing.T) {
	t.Parallel()
	require.Greater(t, majorVersion("/usr/lib/postgresql/15/bin/initdb"), majorVersion("/usr/lib/postgresql/9.6/bin/initdb"))
}
