package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// SPEC 9.3: a mail server's password comes from the environment or from a file.
func TestMailServersKeepTheirSecrets(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "config.yaml")
	require.NoError(t, os.WriteFile(filepath.Join(folder, "ca.pem"), []byte("certificates"), 0o600))
	require.NoError(t, os.WriteFile(path, []byte(`
smtp:
  connections:
    - {name: news, host: mail.example.com, tls: implicit, username: u, password: {env: SMTP_PASSWORD}, ratePerSecond: 5, timeout: 1m, caFile: ca.pem}
    - {name: relay, host: localhost, tls: none}
    - {name: absent, host: h, password: {env: ABSENT}}
    - {name: lost, host: h, caFile: lost.pem}
`), 0o600))
	env := environment(map[string]string{"SMTP_PASSWORD": "p"})
	c, err := Load(path, env)
	require.NoError(t, err)
	require.Equal(t, 5.0, c.SMTP.Connections[0].RatePerSecond)

	password, authorities, err := c.SMTPSecrets(c.SMTP.Connections[0], env)
	require.NoError(t, err)
	require.Equal(t, "p", password)
	require.Equal(t, "certificates", string(authorities))
	password, authorities, err = c.SMTPSecrets(c.SMTP.Connections[1], env)
	require.NoError(t, err)
	require.Empty(t, password)
	require.Nil(t, authorities)
	_, _, err = c.SMTPSecrets(c.SMTP.Connections[2], env)
	require.ErrorContains(t, err, `smtp.connections: "absent": password: the environment variable ABSENT is not set`)
	_, _, err = c.SMTPSecrets(c.SMTP.Connections[3], env)
	require.ErrorContains(t, err, `"lost": caFile: open `+filepath.Join(folder, "lost.pem"))
}
