package main

import (
	"fmt"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/activities/mail"
	"github.com/seriatim-go/seriatim/internal/config"
)

// newMail builds the handler of bulk.email with the configured mail servers.
func newMail(c config.Config, env config.Env, where places) (activities.Handler, error) {
	options := mail.Options{Files: where.files, Databases: where.databases}
	for _, connection := range c.SMTP.Connections {
		password, authorities, err := c.SMTPSecrets(connection, env)
		if err != nil {
			return nil, err
		}
		options.Connections = append(options.Connections, mail.Connection{
			Name: connection.Name, Host: connection.Host, Port: connection.Port, TLS: mail.TLS(connection.TLS),
			Username: connection.Username, Password: password, From: connection.From, Helo: connection.Helo,
			RatePerSecond: connection.RatePerSecond, MaxConnections: connection.MaxConnections,
			Timeout: connection.Timeout, RootCAs: authorities,
		})
	}
	handler, err := mail.New(options)
	if err != nil {
		return nil, fmt.Errorf("smtp.connections: %w", err)
	}
	return handler, nil
}
